-- Reads what the operations need, carries them out in order, writes what changed, and wakes whom it concerns.

local GRACE = 50000
local parsed, wanted_lanes, wanted_keys, wanted_jobs, wanted_states = {}, {}, {}, {}, {}
local function want(list, id)
  list[#list + 1] = id
end

for n, op in ipairs(ops) do
  local kind = op[1]
  if kind == PUSH then
    local pushes = {}
    for i = 1, op[4] do
      local p = read_push(ARGV[op[3] + i - 1])
      pushes[i] = p
      want(wanted_lanes, p.lane)
      want(wanted_keys, p.full)
      want(wanted_jobs, p.id)
    end
    parsed[n] = pushes
  elseif kind == PARK or kind == GRANT or kind == SETTLE then
    local t = read_ticket(op[2])
    parsed[n] = t
    want(wanted_lanes, t.lane)
    want(wanted_keys, t.full)
    local how, has = DONE, 0
    if kind == SETTLE then
      local _
      how, _, has = unpack('<BdB', op[2], t.rest)
    end
    if kind == PARK or how == RETRY or how == LATER then
      want(wanted_jobs, t.lane .. '\0' .. t.job)
    end
    if kind == GRANT or has == 1 then
      want(wanted_states, t.lane)
    end
  end
end
load(lanes, 'lanes', wanted_lanes, read_lane)
load(keys, 'keys', wanted_keys, read_key)
load(jobs, 'jobs', wanted_jobs, read_job)
load(states, 'state', wanted_states, read_state)

local out = { now }
for n, op in ipairs(ops) do
  local kind, raw = op[1], op[2]
  local answer
  if kind == PUSH then
    local inserted = 0
    for _, p in ipairs(parsed[n]) do
      inserted = inserted + push_one(p, raw == 1)
    end
    answer = { 5, inserted }
  elseif kind == CLAIM then
    local _, q, worker, max, own = unpack('<BHc0Bc0IB', raw)
    answer = { 6, claim(q, worker, max, own == 1) }
  elseif kind == PARK then
    answer = park(raw, parsed[n])
  elseif kind == GRANT then
    answer = grant(raw, parsed[n])
  elseif kind == SETTLE then
    answer = settle(raw, parsed[n])
  elseif kind == BEAT then
    local worker = sub(raw, 2)
    leases[worker] = now + LEASE
    answer = call('ZREM', P .. 'reaped', worker)
  elseif kind == REAP then
    answer = reap(sub(raw, 2))
  elseif kind == HOLD then
    answer = hold(raw)
  elseif kind == RESUME then
    answer = resume(raw)
  elseif kind == FIND then
    answer = find_job(raw)
  elseif kind == INSPECT then
    answer = inspect(raw)
  elseif kind == PEEK then
    answer = peek(raw)
  else
    answer = jobs_of(raw)
  end
  out[n + 1] = answer
end

local function write_all(name, set, delete)
  local n = #set
  for i = 1, n, 1000 do
    call('HSET', P .. name, spread(set, i, i + 999 < n and i + 999 or n))
  end
  in_chunks('HDEL', P .. name, delete)
end

stand()

local set, delete, forgotten = {}, {}, {}
for _, l in ipairs(lanes_changed) do
  local some = l.jobs > 0
  local binds = 0
  if not some then
    binds = l.binds
    binds = l.hold and l.hold.t > binds and l.hold.t or binds
    for c = 1, 3 do
      binds = l.class[c] and l.class[c].t > binds and l.class[c].t or binds
      local slowed = l.paced and l.paced.holds[c]
      binds = slowed and slowed.t > binds and slowed.t or binds
    end
    if binds > now and not l.listed then
      l.listed = true
      garbage[#garbage + 1] = binds
      garbage[#garbage + 1] = 'l' .. l.id
    end
  end
  if some or binds > now then
    set[#set + 1] = l.id
    set[#set + 1] = write_lane(l)
  else
    if not l.fresh then
      delete[#delete + 1] = l.id
    end
    if l.binds > 0 then
      states_changed[l.id] = nil
      forgotten[#forgotten + 1] = l.id
    end
  end
end
write_all('lanes', set, delete)

set = {}
for id, s in pairs(states_changed) do
  set[#set + 1] = id
  set[#set + 1] = write_state(s)
end
write_all('state', set, forgotten)

set, delete = {}, {}
for _, k in ipairs(keys_changed) do
  local bare = not k.head and k.future == 0
  if bare and not (k.hold and k.hold.t > now) then
    if not k.fresh then
      delete[#delete + 1] = k.id
    end
  else
    if bare and not k.listed then
      k.listed = true
      garbage[#garbage + 1] = k.hold.t
      garbage[#garbage + 1] = 'k' .. k.id
    end
    set[#set + 1] = k.id
    set[#set + 1] = write_key(k)
  end
end
write_all('keys', set, delete)

set, delete = {}, {}
for id in pairs(jobs_changed) do
  local j = jobs[id]
  if j then
    set[#set + 1] = id
    set[#set + 1] = write_job(j)
  else
    delete[#delete + 1] = id
  end
end
write_all('jobs', set, delete)

in_chunks('ZADD', P .. 'garbage', garbage)
write_claimed()
write_leases()
for name in pairs(routed) do
  local q, ix = string.match(name, '^(.*) (.*)$')
  call('SADD', P .. 'routes:' .. q, ix)
end
for q, t in pairs(totals) do
  for what, by in pairs(t) do
    if by ~= 0 then
      call('HINCRBY', P .. 'totals', q .. ':' .. what, format('%d', by))
    end
  end
end
call('HSET', META, 'counters', pack('<ddddd', now, token, turn, quiet, limit))

-- Tells one worker to look, marks it as about to. False when nobody listens there.
local function ring(idle, q, worker)
  call('ZADD', idle .. q, NOW, worker)
  if call('PUBLISH', BASE .. 'wake:' .. worker, q) == 0 then
    call('ZREM', idle .. q, worker)
    return false
  end
  return true
end

-- What is due first for a route must be expected by somebody who may serve it and who still keeps to its word.
for q, of in pairs(woken) do
  for ix in pairs(of) do
    local idle, worker, expects = IDLE, ix, nil
    if ix == '' then
      worker, expects = first_of(IDLE .. q)
    else
      expects = call('ZSCORE', IDLE .. q, ix)
      if not expects then
        idle, expects = OWN_IDLE, call('ZSCORE', OWN_IDLE .. q, ix)
      end
    end
    local due = expects and first_due(q, ix)
    if due then
      expects = tonumber(expects)
      local hold = queue_hold(q).t
      due = due > hold and due or hold
      due = due > now and due or now
      if ix ~= '' then
        if expects > due then
          ring(idle, q, worker)
        end
      else
        for _ = 1, 8 do
          if not worker or expects <= due and expects > now - GRACE then
            break
          elseif expects <= now - GRACE then
            call('ZREM', IDLE .. q, worker)
          elseif ring(IDLE, q, worker) then
            break
          end
          worker, expects = first_of(IDLE .. q)
        end
      end
    end
  end
end
return out
end
return carry_out()
