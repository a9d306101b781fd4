-- What happens to those who are gone, and holds that people ask for.

local reap, hold, resume
if asked[REAP] or asked[HOLD] or asked[RESUME] then
  local FORGOTTEN, DROPPED = 3600000000, 1024

  local function lift(h)
    if h and h.t > now then
      h.t = now
    end
  end

  -- Drops lanes and keys that hold no job and bind nobody any more, a bounded number at a time.
  local function drop_spent()
    local spent = call('ZRANGEBYSCORE', P .. 'garbage', '-inf', now, 'LIMIT', 0, DROPPED)
    in_chunks('ZREM', P .. 'garbage', spent)
    for _, member in ipairs(spent) do
      local id = sub(member, 2)
      if byte(member) == 107 then
        local lane_id, name = split_key(id)
        local k = key(lane_id, name)
        k.listed = nil
        arrange(lane(lane_id), k)
      else
        local l = lane(id)
        l.listed = false
        touch(l)
      end
    end
  end

  function reap(queues)
    drop_spent()
    write_claimed()
    write_leases()
    call('ZREMRANGEBYSCORE', P .. 'reaped', '-inf', now - FORGOTTEN)
    local gone, count = {}, 0
    if now >= quiet then
      gone = call('ZRANGEBYSCORE', P .. 'workers', '-inf', now)
    end
    for _, worker in ipairs(gone) do
      call('ZREM', P .. 'workers', worker)
      call('ZADD', P .. 'reaped', now, worker)
      for _, id in ipairs(call('SMEMBERS', P .. 'claims:' .. worker)) do
        local lane_id, name = split_key(id)
        local l, k = lane(lane_id), key(lane_id, name)
        if k.token and l.owner == worker then
          give_back(l, k, true)
          count = count + 1
        end
      end
      call('DEL', P .. 'claims:' .. worker)
    end
    claimed = {}
    for q in string.gmatch(queues, '[^,]+') do
      if #gone > 0 then
        in_chunks('ZREM', IDLE .. q, gone)
        in_chunks('ZREM', OWN_IDLE .. q, gone)
      end
      may_wake(q, '')
    end
    local out = { 7, count }
    for i, worker in ipairs(gone) do
      out[i + 2] = worker
    end
    return out
  end

  -- Sets what one job waits for by itself.
  local function own_wait(l, j, id, t, rule)
    local k = key(l.id, j.key)
    j.wait, j.rule = t, rule
    touch_job(j.id)
    if k.head == id then
      k.hw = t
    else
      k.waits = k.waits or t > now
    end
    arrange(l, k)
  end

  function hold(raw)
    local _, kind, t, target, name, rule = unpack('<BBdHc0Hc0Hc0', raw)
    if kind == 0 then
      local h = extend(queue_hold(target), t, rule)
      queue_holds[target] = h
      call('HSET', P .. 'holds', target, pack('<dHc0', h.t, #h.rule, h.rule))
    elseif kind == 1 then
      local l = lane(target)
      l.hold = extend(l.hold, t, rule)
      touch(l)
    elseif kind == 2 then
      local l, k = lane(target), key(target, name)
      k.hold = extend(k.hold, t, rule)
      arrange(l, k)
    elseif kind == 3 then
      hold_class(lane(target), tonumber(name), t, rule)
    else
      local j = job(target, name)
      if j then
        note(j, t, rule, JOB)
        if t > j.wait then
          own_wait(lane(target), j, name, t, rule)
        end
      end
    end
    return 0
  end

  function resume(raw)
    local _, kind, target, name = unpack('<BBHc0Hc0', raw)
    if kind == 0 then
      local h = queue_hold(target)
      lift(h)
      call('HSET', P .. 'holds', target, pack('<dHc0', h.t, #h.rule, h.rule))
      may_wake(target, '')
      for _, ix in ipairs(call('SMEMBERS', P .. 'routes:' .. target)) do
        may_wake(target, ix)
      end
    elseif kind == 1 then
      local l = lane(target)
      lift(l.hold)
      for c = 1, 3 do
        lift(l.class[c])
        lift(l.paced and l.paced.holds[c])
      end
      touch(l)
    elseif kind == 2 then
      local l, k = lane(target), key(target, name)
      lift(k.hold)
      arrange(l, k)
    elseif kind == 3 then
      local l = lane(target)
      lift(l.class[tonumber(name)])
      lift(l.paced and l.paced.holds[tonumber(name)])
      touch(l)
    else
      local j = job(target, name)
      if j then
        local k = key(target, j.key)
        j.slow = false
        if k.head == name then
          k.slow = false
        end
        own_wait(lane(target), j, name, 0, '')
      end
    end
    return 0
  end
end
