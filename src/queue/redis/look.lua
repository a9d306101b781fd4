-- Where things are and why they wait: for people, so it may cost as much as it shows.

local find_job, jobs_of, inspect, peek
if asked[FIND] or asked[JOBS] or asked[INSPECT] or asked[PEEK] then
  local function wait_of(h, scope)
    return h and pack('<dBHc0', h.t, scope, #h.rule, h.rule) or false
  end

  -- What holds a lane's classes and itself.
  local function holds_of(l)
    local waits = {}
    for c = 1, 3 do
      if l.class[c] and l.class[c].t > now then
        waits[#waits + 1] = wait_of(l.class[c], 2)
      end
    end
    for c = 1, 3 do
      local h = l.paced and l.paced.holds[c]
      if h and h.t > now then
        waits[#waits + 1] = wait_of(h, 4)
      end
    end
    if l.hold and l.hold.t > now then
      waits[#waits + 1] = wait_of(l.hold, 3)
    end
    return waits
  end

  local function place_of(l, id)
    local j = job(l.id, id)
    if not j then
      return 0
    end
    local k = key(l.id, j.key)
    if k.future > 0 then
      join_due(l, k)
    end
    if k.token and k.head == id then
      return 2, l.owner
    elseif j.future == 1 then
      return 1, j.ready
    end
    local h, scope = held_by(l, k, j.c)
    if j.wait > now and j.wait >= (h and h.t or 0) then
      h, scope = { t = j.wait, rule = j.rule }, 0
    end
    if not k.token and k.hc <= j.c and k.hw > now and k.hw > (h and h.t or 0) then
      h, scope = { t = k.hw, rule = job(l.id, k.head).rule }, 0
    end
    -- What slows a job down, and what does its head.
    local slowed = l.paced and (j.slow and l.paced.holds[j.c] or nil)
    if slowed and slowed.t > now and slowed.t > (h and h.t or 0) then
      h, scope = slowed, 4
    end
    slowed = l.paced and not k.token and k.hc <= j.c and k.slow and l.paced.holds[k.hc]
    if slowed and slowed.t > now and slowed.t > (h and h.t or 0) then
      h, scope = slowed, 4
    end
    local behind = k.head == id and 0 or 1 + call('ZRANK', P .. 't:' .. k.id, id)
    return 3, behind, wait_of(h, scope)
  end

  function find_job(raw)
    local _, lane_id, id = unpack('<BHc0Hc0', raw)
    return { 8, place_of(lane(lane_id), id) }
  end

  -- The keys of a lane that workers have.
  local function claimed_keys(l)
    write_claimed()
    local found = {}
    if l.tokens ~= '' then
      for _, id in ipairs(call('SMEMBERS', P .. 'claims:' .. l.owner)) do
        local lane_id, name = split_key(id)
        if lane_id == l.id then
          found[#found + 1] = name
        end
      end
    end
    return found
  end

  function peek(raw)
    local _, lane_id = unpack('<BHc0', raw)
    local l = lane(lane_id)
    local s = l.binds > 0 and state(l.id)
    local waits = holds_of(l)
    local h = queue_hold(l.q)
    if h.t > now then
      waits[#waits + 1] = wait_of(h, 3)
    end
    local out = { 11, now, s and s.version or 0, s and s.bytes or false, waits }
    local taken = {}
    for i, name in ipairs(claimed_keys(l)) do
      taken[i] = key(lane_id, name)
    end
    table.sort(taken, function(a, b)
      return a.token < b.token
    end)
    for _, k in ipairs(taken) do
      out[#out + 1] = k.head
    end
    return out
  end

  function jobs_of(raw)
    local _, lane_id, most = unpack('<BHc0I', raw)
    local l = lane(lane_id)
    local ids, names = {}, claimed_keys(l)
    for c = 1, 3 do
      if l.sole and l[c] > 0 then
        names[#names + 1] = l.sole
      end
      for _, name in ipairs(call('ZRANGE', P .. 'r' .. c .. ':' .. lane_id, 0, most)) do
        names[#names + 1] = name
      end
      for _, name in ipairs(call('ZRANGE', P .. 's' .. c .. ':' .. lane_id, 0, most)) do
        names[#names + 1] = name
      end
      for _, member in ipairs(call('ZRANGE', P .. 'h' .. c .. ':' .. lane_id, 0, most)) do
        local list = byte(member) == 107 and names or ids
        list[#list + 1] = sub(member, 2)
      end
    end
    for _, name in ipairs(names) do
      if #ids >= most then
        break
      end
      local k = key(lane_id, name)
      ids[#ids + 1] = k.head
      if k.tail > 0 then
        for _, id in ipairs(call('ZRANGE', P .. 't:' .. k.id, 0, most)) do
          ids[#ids + 1] = id
        end
      end
    end
    local out = { 10 }
    for i = 1, math.min(#ids, most) do
      out[#out + 1] = ids[i]
      out[#out + 1] = { 8, place_of(l, ids[i]) }
    end
    return out
  end

  function inspect(raw)
    local _, q, most = unpack('<BHc0I', raw)
    stand()
    write_claimed()
    local found, seen = {}, {}
    local routes = call('SMEMBERS', P .. 'routes:' .. q)
    routes[#routes + 1] = ''
    for name in pairs(routed) do
      routes[#routes + 1] = string.match(name, ' (.*)$')
    end
    for _, ix in ipairs(routes) do
      local due = call('ZRANGE', due_set(q, ix), 0, most - 1, 'WITHSCORES')
      for i = 1, #due, 2 do
        if not seen[due[i]] then
          seen[due[i]] = true
          found[#found + 1] = { tonumber(due[i + 1]), due[i] }
        end
      end
    end
    table.sort(found, function(a, b)
      return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
    end)
    -- A lane that is due for nobody has claims.
    local workers = #found < most and call('ZRANGE', P .. 'workers', 0, -1) or {}
    for worker in pairs(leases) do
      workers[#workers + 1] = worker
    end
    for _, worker in ipairs(workers) do
      for _, id in ipairs(call('SMEMBERS', P .. 'claims:' .. worker)) do
        local lane_id = split_key(id)
        if not seen[lane_id] and queue_of(lane_id) == q then
          seen[lane_id] = true
          found[#found + 1] = { FAR, lane_id }
        end
      end
    end
    local h = queue_hold(q)
    local sums = call('HMGET', P .. 'totals', q .. ':lanes', q .. ':jobs', q .. ':claims')
    local t = totals[q] or { lanes = 0, jobs = 0, claims = 0 }
    local n, claims = (sums[2] or 0) + t.jobs, (sums[3] or 0) + t.claims
    local out = { 9, wait_of(h.t > now and h, 3), (sums[1] or 0) + t.lanes, n - claims, claims }
    for i = 1, math.min(#found, most) do
      local l = lane(found[i][2])
      local waits = holds_of(l)
      local held = #l.tokens / 8
      local due = l.due and (l.due > h.t and l.due or h.t) or false
      out[#out + 1] = { sub(l.id, #q + 2), l.jobs - held, held, due, waits }
    end
    return out
  end
end
