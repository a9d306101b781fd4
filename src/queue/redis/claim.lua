-- Handing jobs to a worker.

local claim
if asked[CLAIM] then
  -- How many holds that ended are looked at: a class and visit, and a claim in all. The rest keeps until the next one.
  local PROMOTED, BUDGET = 64, 4096
  local budget

  -- Looks at holds of a class that ended.
  local function promote(l, c)
    local n = PROMOTED < budget and PROMOTED or budget
    local due = call('ZRANGEBYSCORE', P .. 'h' .. c .. ':' .. l.id, '-inf', now, 'LIMIT', 0, n)
    budget = budget - #due
    for _, member in ipairs(due) do
      local name = sub(member, 2)
      if byte(member) == 107 then
        arrange(l, key(l.id, name))
      else
        local j = job(l.id, name)
        if j and j.future == 1 then
          local k = key(l.id, j.key)
          leave(l, k, j, name)
          enter(l, k, j, name)
        end
      end
    end
  end

  local function take(l, k, worker, group)
    token = token + 1
    k.token, k.place = token, CLAIMED
    touch_key(k)
    l.tokens = l.tokens .. pack('<d', token)
    l.owner = worker
    l.floor = now
    total(l, 'claims', 1)
    note_claim(worker, k.id, true)
    local n = #group
    group[n + 1], group[n + 2] = k, token
  end

  -- The first keys of a class by their turns, slow ones among them.
  local function by_turn(l, c, n)
    local ready, slow, names = NONE, call('ZRANGE', P .. 's' .. c .. ':' .. l.id, 0, n - 1, 'WITHSCORES'), {}
    if l[c] > 0 then
      ready = l.sole and { l.sole, l.sturn } or call('ZRANGE', P .. 'r' .. c .. ':' .. l.id, 0, n - 1, 'WITHSCORES')
    end
    local a, b = 1, 1
    while #names < n and (ready[a] or slow[b]) do
      if not slow[b] or ready[a] and tonumber(ready[a + 1]) < tonumber(slow[b + 1]) then
        names[#names + 1] = ready[a]
        a = a + 2
      else
        names[#names + 1] = slow[b]
        b = b + 2
      end
    end
    return names
  end

  -- Takes up to `n` jobs of a class while nothing slows it down: its slow keys take turns with the others. Gives back how
  -- many are still wanted.
  local function serve_both(l, c, worker, n, group)
    local wanted
    l.picks = nil
    repeat
      wanted = n
      for _, name in ipairs(by_turn(l, c, n)) do
        local k = key(l.id, name)
        if k.future > 0 then
          join_due(l, k)
        end
        if k.pc == c and (k.place == READY or k.place == SLOW) then
          local remove = k.place == SLOW and slow_remove or ready_remove
          remove(l, c, name)
          take(l, k, worker, group)
          n = n - 1
        end
      end
    until n == wanted or n == 0 or l[c] + l.paced[c] == 0
    return n
  end

  -- Takes up to `n` of a lane's jobs, higher classes first.
  local function serve(l, worker, n, group)
    touch(l)
    local room = l.w - #l.tokens / 8
    if room < n then
      n = room
    end
    for c = 1, 3 do
      local h = l.class[c]
      if not h or h.t <= now then
        if l[c + 3] > 0 and l[c + 6] <= now then
          promote(l, c)
          refresh(l)
        end
        local p = l.paced
        local slowed = p and p.holds[c]
        if p and p[c] > 0 and n > 0 and (not slowed or slowed.t <= now) then
          n = serve_both(l, c, worker, n, group)
        end
        local sole = l.sole
        if sole and n > 0 and l[c] > 0 then
          local k = key(l.id, sole)
          if k.future > 0 then
            join_due(l, k)
          end
          if k.place == READY and k.pc == c and l.sole == sole then
            l.sole, l[c] = nil, 0
            take(l, k, worker, group)
            n = n - 1
          end
        end
        while n > 0 and l[c] > 0 and not l.sole do
          local name = P .. 'r' .. c .. ':' .. l.id
          local picks, taken, were = l.picks == c and l.picked or call('ZRANGE', name, 0, n - 1), {}, l[c]
          l.picks = nil
          for _, pick in ipairs(picks) do
            local k = key(l.id, pick)
            if k.future > 0 then
              -- A job of this very key may have become due and stand before its head.
              join_due(l, k)
            end
            if n > 0 and k.place == READY and k.pc == c then
              take(l, k, worker, group)
              n = n - 1
              taken[#taken + 1] = pick
            end
          end
          in_chunks('ZREM', name, taken)
          l[c] = l[c] - #taken
          if l[c] == were then
            break
          end
        end
        if n == 0 or l[c + 3] > 0 and l[c + 6] <= now then
          return
        end
      end
    end
  end

  -- The lanes that are due for a worker, most overdue first.
  local function due_lanes(q, worker, n, alone)
    if alone then
      return call('ZRANGEBYSCORE', due_set(q, worker), '-inf', now, 'LIMIT', 0, n)
    end
    local own = call('ZRANGEBYSCORE', due_set(q, worker), '-inf', now, 'WITHSCORES', 'LIMIT', 0, n)
    if #own == 0 then
      return call('ZRANGEBYSCORE', due_set(q, ''), '-inf', now, 'LIMIT', 0, n)
    end
    local found = call('ZRANGEBYSCORE', due_set(q, ''), '-inf', now, 'WITHSCORES', 'LIMIT', 0, n)
    local ids, a, b = {}, 1, 1
    while #ids < n and (found[a] or own[b]) do
      if not own[b] or found[a] and tonumber(found[a + 1]) <= tonumber(own[b + 1]) then
        ids[#ids + 1] = found[a]
        a = a + 2
      else
        ids[#ids + 1] = own[b]
        b = b + 2
      end
    end
    return ids
  end

  -- Reads at once what serving these lanes will need.
  local function warm(ids, quota)
    load(lanes, 'lanes', ids, read_lane)
    local wanted = {}
    for _, id in ipairs(ids) do
      local l = lanes[id]
      if l.sole then
        wanted[#wanted + 1] = id .. '\0' .. l.sole
      else
        for c = 1, 3 do
          if l[c] > 0 then
            local n = l.w - #l.tokens / 8
            local picked = call('ZRANGE', P .. 'r' .. c .. ':' .. id, 0, (n < quota and n or quota) - 1)
            l.picks, l.picked = c, picked
            for _, name in ipairs(picked) do
              wanted[#wanted + 1] = id .. '\0' .. name
            end
            break
          end
        end
      end
    end
    load(keys, 'keys', wanted, read_key)
  end

  -- When the next lane of a queue is due for this worker.
  local function next_due(q, worker, alone)
    local due = not alone and first_due(q, '')
    local own = first_due(q, worker)
    if own and (not due or own < due) then
      due = own
    end
    local hold = queue_hold(q).t
    return due and (due > hold and due or hold)
  end

  local SCOPES = { LANE, LANE, CLASS, RECIPIENT, PACE }

  local function rule_of(words)
    local cut = find(words, '\0', 1, true)
    return cut and sub(words, 1, cut - 1) or words
  end

  -- Notes what a hold caused, unless that was told: by a park that set it, or when the job was claimed before.
  local function tell(j, t, rule, scope)
    local i, name = 1, rule_of(rule)
    local at, last
    for _ = 1, j.count do
      local till, of, words, next_one = unpack('<dBHc0', j.waits, i)
      last = i
      if of == scope and rule_of(words) == name then
        at = { i = i, t = till }
      end
      i = next_one
    end
    if at and at.t >= t then
      return false
    elseif at and at.i == last then
      j.waits, j.count = sub(j.waits, 1, last - 1), j.count - 1
    end
    note(j, t, rule, scope)
    return true
  end

  -- Tells a job that is handed out which holds kept it since it was ready.
  local function tell_holds(l, k, id, raw)
    local slots = { queue_hold(l.q), l.hold or NONE, l.class[k.hc] or NONE, k.hold or NONE,
      k.slow and l.paced and l.paced.holds[k.hc] or NONE }
    local j, ready, kept = jobs[id], nil, {}
    if j then
      ready = j.ready
    else
      local _
      _, _, _, ready = unpack('<BBdd', raw)
    end
    for i = 1, 5 do
      local h = slots[i]
      if (h.t or 0) > ready then
        kept[#kept + 1] = { i = i, t = h.t, rule = h.rule }
      end
    end
    if #kept == 0 then
      return j
    end
    table.sort(kept, function(a, b)
      return a.t < b.t or a.t == b.t and a.i < b.i
    end)
    j = j or read_job(id, raw)
    for _, h in ipairs(kept) do
      if tell(j, h.t, h.rule, SCOPES[h.i]) then
        jobs[id] = j
      end
    end
    return j
  end

  local function answer_claims(out, groups)
    local ids, with_state = {}, {}
    for _, g in ipairs(groups) do
      if g.lane.binds > 0 then
        with_state[#with_state + 1] = g.lane.id
      end
      for i = 1, #g, 2 do
        ids[#ids + 1] = g[i].lane .. '\0' .. g[i].head
      end
    end
    load(states, 'state', with_state, read_state)
    local n, o = 0, #out
    local raws, last = nil, 0
    for _, g in ipairs(groups) do
      local l = g.lane
      local s = l.binds > 0 and state(l.id)
      local paused = queue_hold(l.q).t > 0 or l.hold or l.class ~= NONE or l.paced
      out[o + 1], out[o + 2], out[o + 3], out[o + 4] = sub(l.id, #l.q + 2), s and s.version or 0, s and s.bytes or false,
        #g / 2
      o = o + 4
      for i = 1, #g, 2 do
        if n == last then
          last = n + 1000 < #ids and n + 1000 or #ids
          raws = call('HMGET', P .. 'jobs', spread(ids, n + 1, last))
        end
        n = n + 1
        local raw = raws[(n - 1) % 1000 + 1]
        -- One that changed in this call is not written yet.
        local j = (paused or g[i].hold) and tell_holds(l, g[i], ids[n], raw) or jobs[ids[n]]
        out[o + 1], out[o + 2], out[o + 3] = g[i + 1], g[i].head, j and write_job(j) or raw
        o = o + 3
      end
    end
  end

  function claim(q, worker, max, alone)
    leases[worker] = now + LEASE
    stand()
    budget = BUDGET
    local groups, got = {}, 0
    while got < max and budget > 0 and queue_hold(q).t <= now do
      local wanted = max - got
      local ids = due_lanes(q, worker, wanted, alone)
      if #ids == 0 then
        break
      end
      -- An equal share a lane, then again: as if one job were taken from each in turn.
      local quota = floor(wanted / #ids)
      warm(ids, quota)
      for _, id in ipairs(ids) do
        budget = budget - 1
        local group = { lane = lanes[id] }
        serve(group.lane, worker, quota, group)
        if #group > 0 then
          groups[#groups + 1] = group
          got = got + #group / 2
        end
      end
      if not stand() and #ids < wanted then
        break
      end
    end
    local due = next_due(q, worker, alone)
    local idle = (alone and OWN_IDLE or IDLE) .. q
    if got < max then
      call('ZADD', idle, format(WHOLE, due or FAR), worker)
    else
      call('ZREM', idle, worker)
    end
    may_wake(q, '')
    local out = { now, due or false }
    answer_claims(out, groups)
    return out
  end
end
