-- Records: one HMGET and one HSET a hash for a whole call. Read once, changed in Lua tables, written at the end. Tables are
-- made with all their fields at once, because a table that grows costs more than a record.
-- Times are µs, classes 1 to 3. A lane counts, a class, its ready keys at [c], its held keys and jobs at [c + 3], and keeps
-- the earliest held at [c + 6]; its claims are their tokens, eight bytes each, and all of one owner.
-- A lane where jobs wait for their pace counts, a class, the keys whose first job does, and what slows it down, in `paced`.
local lanes, keys, jobs, states = {}, {}, {}, {}
local lanes_changed, keys_changed, jobs_changed, states_changed, touched = {}, {}, {}, {}, {}
local totals = {}
local garbage = {}
local NONE = {}
local JOB, RECIPIENT, CLASS, LANE, PACE = 0, 1, 2, 3, 4
local WAITS_KEPT = 16

local function queue_of(id)
  return sub(id, 1, find(id, '/', 1, true) - 1)
end

local function split_key(id)
  local cut = find(id, '\0', 1, true)
  return sub(id, 1, cut - 1), sub(id, cut + 1)
end

local function total(l, what, by)
  local t = totals[l.q]
  if not t then
    t = { lanes = 0, jobs = 0, claims = 0 }
    totals[l.q] = t
  end
  t[what] = t[what] + by
end

local function read_hold(raw, i)
  local t, rule
  t, rule, i = unpack('<dHc0', raw, i)
  return { t = t, rule = rule }, i
end

-- Sixteen fields, the size that a table has room for; the rarer ones (hold, paced, stale, picks) come when needed.
local function new_lane(id, w, n, since, due, binds, listed, owner, tokens, sole, sturn)
  return { 0, 0, 0, 0, 0, 0, 0, 0, 0, id = id, q = queue_of(id), w = w, jobs = n, floor = since, tokens = tokens,
    owner = owner, route = '', class = NONE, due = due >= 0 and due or nil, ix = nil, sole = sole, sturn = sturn,
    binds = binds, listed = listed, changed = nil }
end

local function read_lane(id, raw)
  if not raw then
    local l = new_lane(id, 1, 0, now, -1, 0, false, '', '')
    l.fresh = true
    return l
  end
  local common, high = byte(raw, 9, 10)
  local listed = high % 2 == 1
  if common == 1 and high < 2 then
    local w, n, _, since, due, binds, c, sturn, sole = unpack('<IIHdddBdHc0', raw)
    local l = new_lane(id, w, n, since, due, binds, listed, '', '', sole, sturn)
    l[c] = 1
    l.ix = due >= 0 and '' or nil
    return l
  elseif common == 2 and high < 2 then
    local w, n, _, since, due, binds, owner, tokens = unpack('<IIHdddBc0Ic0', raw)
    local l = new_lane(id, w, n, since, due, binds, listed, owner, tokens)
    l.ix = due >= 0 and owner or nil
    return l
  end
  local w, n, flags, since, due, binds, i = unpack('<IIHddd', raw)
  local l = new_lane(id, w, n, since, due, binds, listed, '', '')
  if flags % 2 == 1 then
    local c
    c, l.sturn, l.sole, i = unpack('<BdHc0', raw, i)
    l[c] = 1
  end
  if flags % 4 >= 2 then
    l.owner, l.tokens, i = unpack('<Bc0Ic0', raw, i)
  end
  if flags >= 4 then
    if band(flags, 4) > 0 then
      l.route, i = unpack('<Bc0', raw, i)
    end
    if band(flags, 8) > 0 then
      l.hold, i = read_hold(raw, i)
    end
    if band(flags, 112) > 0 then
      l.class = {}
      for c = 1, 3 do
        if band(flags, 8 * 2 ^ c) > 0 then
          l.class[c], i = read_hold(raw, i)
        end
      end
    end
    if band(flags, 128) > 0 then
      l[1], l[2], l[3], l[4], l[5], l[6], l[7], l[8], l[9], i = unpack('<IIIIIIddd', raw, i)
    end
    if band(flags, 512) > 0 then
      local p, holds = { 0, 0, 0, holds = {} }, 0
      p[1], p[2], p[3], holds, i = unpack('<IIIB', raw, i)
      for c = 1, 3 do
        if band(holds, 2 ^ c) > 0 then
          p.holds[c], i = read_hold(raw, i)
        end
      end
      l.paced = p
    end
  end
  if due >= 0 then
    l.ix = l.tokens ~= '' and l.owner or l.route
  end
  return l
end

local function write_lane(l)
  local sole = l.sole
  local ready, held = l[1] + l[2] + l[3], l[4] + l[5] + l[6]
  local listed = l.listed and 256 or 0
  if held == 0 and l.route == '' and l.class == NONE and not (l.hold or l.paced) then
    if sole and l.tokens == '' then
      return pack('<IIHdddBdHc0', l.w, l.jobs, listed + 1, l.floor, l.due or -1, l.binds,
        l[1] > 0 and 1 or l[2] > 0 and 2 or 3, l.sturn, #sole, sole)
    elseif ready == 0 and l.tokens ~= '' then
      return pack('<IIHdddBc0Ic0', l.w, l.jobs, listed + 2, l.floor, l.due or -1, l.binds, #l.owner, l.owner, #l.tokens,
        l.tokens)
    end
  end
  local flags, rest = 0, ''
  if sole then
    flags, rest = 1, pack('<BdHc0', l[1] > 0 and 1 or l[2] > 0 and 2 or 3, l.sturn, #sole, sole)
    ready = 0
  end
  if l.tokens ~= '' then
    flags, rest = flags + 2, rest .. pack('<Bc0Ic0', #l.owner, l.owner, #l.tokens, l.tokens)
  end
  if l.route ~= '' then
    flags, rest = flags + 4, rest .. pack('<Bc0', #l.route, l.route)
  end
  local h = l.hold
  -- Of holds that are over, what they kept is told when it is claimed.
  local kept = l.jobs > 0 and 0 or now
  if h and h.t > kept then
    flags, rest = flags + 8, rest .. pack('<dHc0', h.t, #h.rule, h.rule)
  end
  if l.class ~= NONE then
    for c = 1, 3 do
      h = l.class[c]
      if h and h.t > kept then
        flags, rest = flags + 8 * 2 ^ c, rest .. pack('<dHc0', h.t, #h.rule, h.rule)
      end
    end
  end
  if ready + held > 0 then
    flags, rest = flags + 128, rest .. pack('<IIIIIIddd', l[1], l[2], l[3], l[4], l[5], l[6], l[7], l[8], l[9])
  end
  local p = l.paced
  if p then
    local holds, packed = 0, ''
    for c = 1, 3 do
      h = p.holds[c]
      if h and h.t > kept then
        holds, packed = holds + 2 ^ c, packed .. pack('<dHc0', h.t, #h.rule, h.rule)
      end
    end
    if holds + p[1] + p[2] + p[3] > 0 then
      flags, rest = flags + 512, rest .. pack('<IIIB', p[1], p[2], p[3], holds) .. packed
    end
  end
  return pack('<IIHddd', l.w, l.jobs, flags + listed, l.floor, l.due or -1, l.binds) .. rest
end

-- The head of a key's order is kept in the key's record; the others wait in a sorted set that exists only if there are
-- any. A claimed job stays the head until it is settled.
local function read_key(id, raw)
  if not raw then
    return { id = id, lane = nil, key = nil, tail = 0, future = 0, place = 0, pc = 0, turn = 0, head = nil, hc = nil, ho = nil,
      hw = 0, token = nil, changed = nil, fresh = true }
  end
  local flags, tail, future, place, pc, at_turn, i = unpack('<BIIBBd', raw)
  local hc, ho, hw, head, number = nil, nil, 0, nil, nil
  if flags % 4 == 3 then
    hc, ho, hw, head, number, i = unpack('<BddHc0d', raw, i)
  elseif flags % 2 == 1 then
    hc, ho, hw, head, i = unpack('<BddHc0', raw, i)
  end
  local k = { id = id, lane = nil, key = nil, tail = tail, future = future, place = place, pc = pc, turn = at_turn,
    head = head, hc = hc, ho = ho, hw = hw, token = number, changed = nil, fresh = nil }
  if flags >= 4 then
    if band(flags, 4) > 0 then
      local a = {}
      a.c, a.order, a.ready, i = unpack('<Bdd', raw, i)
      k.again = a
    end
    if band(flags, 8) > 0 then
      k.hold, i = read_hold(raw, i)
    end
    k.listed = band(flags, 16) > 0
    k.waits = band(flags, 32) > 0
    k.slow = band(flags, 64) > 0
  end
  return k
end

local function write_key(k)
  local flags, rest, head = 0, '', k.head
  if head and not (k.again or k.hold or k.listed or k.waits or k.slow) then
    if k.token then
      return pack('<BIIBBdBddHc0d', 3, k.tail, k.future, k.place, k.pc, k.turn, k.hc, k.ho, k.hw, #head, head, k.token)
    end
    return pack('<BIIBBdBddHc0', 1, k.tail, k.future, k.place, k.pc, k.turn, k.hc, k.ho, k.hw, #head, head)
  end
  if head then
    flags, rest = 1, pack('<BddHc0', k.hc, k.ho, k.hw, #head, head)
    if k.token then
      flags, rest = 3, rest .. pack('<d', k.token)
    end
  end
  local a = k.again
  if a then
    flags, rest = flags + 4, rest .. pack('<Bdd', a.c, a.order, a.ready)
  end
  if k.hold then
    flags, rest = flags + 8, rest .. pack('<dHc0', k.hold.t, #k.hold.rule, k.hold.rule)
  end
  if k.listed then
    flags = flags + 16
  end
  if k.waits and k.tail > 0 then
    flags = flags + 32
  end
  if k.slow then
    flags = flags + 64
  end
  return pack('<BIIBBd', flags, k.tail, k.future, k.place, k.pc, k.turn) .. rest
end

local function read_job(id, raw)
  if not raw then
    return false
  end
  local j, bits, i = { id = id }, nil, nil
  j.c, bits, j.order, j.ready, j.lost, j.wait, j.key, j.rule, j.count, i = unpack('<BBddHdHc0Hc0B', raw)
  j.waits = sub(raw, i)
  j.future, j.slow = bits % 2, bits >= 2
  return j
end

local function write_job(j)
  return pack('<BBddHdHc0Hc0B', j.c, j.future + (j.slow and 2 or 0), j.order, j.ready, j.lost, j.wait, #j.key, j.key,
    #j.rule, j.rule, j.count) .. j.waits
end

local function read_state(id, raw)
  local s = { id = id, version = 0, binds = 0 }
  if raw then
    local has, i
    s.version, s.binds, has, i = unpack('<ddB', raw)
    s.bytes = has == 1 and sub(raw, i) or nil
  end
  return s
end

local function write_state(s)
  return pack('<ddB', s.version, s.binds, s.bytes and 1 or 0) .. (s.bytes or '')
end

-- At most 1,000 values at a time go on Lua's stack.
local function in_chunks(command, name, list)
  local n = #list
  for i = 1, n, 1000 do
    call(command, name, spread(list, i, i + 999 < n and i + 999 or n))
  end
end

local function load(cache, name, ids, read)
  local miss = {}
  for _, id in ipairs(ids) do
    if cache[id] == nil then
      cache[id] = false
      miss[#miss + 1] = id
    end
  end
  for i = 1, #miss, 1000 do
    local last = i + 999 < #miss and i + 999 or #miss
    local raws = call('HMGET', P .. name, spread(miss, i, last))
    for n, raw in ipairs(raws) do
      local id = miss[i + n - 1]
      cache[id] = read(id, raw)
    end
  end
end

local function lane(id)
  local l = lanes[id]
  if not l then
    l = read_lane(id, call('HGET', P .. 'lanes', id))
    lanes[id] = l
  end
  return l
end

local function key(lane_id, name)
  local id = lane_id .. '\0' .. name
  local k = keys[id]
  if not k then
    k = read_key(id, call('HGET', P .. 'keys', id))
    keys[id] = k
  end
  if not k.key then
    k.lane, k.key = lane_id, name
  end
  return k
end

local function job(lane_id, name)
  local id = lane_id .. '\0' .. name
  local j = jobs[id]
  if j == nil then
    j = read_job(id, call('HGET', P .. 'jobs', id))
    jobs[id] = j
  end
  return j
end

local function state(lane_id)
  local s = states[lane_id]
  if not s then
    s = read_state(lane_id, call('HGET', P .. 'state', lane_id))
    states[lane_id] = s
  end
  return s
end

-- A lane that changed is written at the end, and its place in the due index is looked at again before the next claim.
local TOUCHED, WRITTEN = 2, 1

local function touch(l)
  local changed = l.changed
  if changed ~= TOUCHED then
    l.changed = TOUCHED
    touched[#touched + 1] = l
    if not changed then
      lanes_changed[#lanes_changed + 1] = l
    end
  end
end

local function touch_key(k)
  if not k.changed then
    k.changed = true
    keys_changed[#keys_changed + 1] = k
  end
end

local function touch_job(id)
  jobs_changed[id] = true
end

-- Notes why a job waits, for its timeline: the last few.
local function note(j, t, rule, scope)
  if j.count == WAITS_KEPT then
    local _, _, n = unpack('<dBH', j.waits)
    j.waits = sub(j.waits, 12 + n)
    j.count = j.count - 1
  end
  j.waits = j.waits .. pack('<dBHc0', t, scope, #rule, rule)
  j.count = j.count + 1
  touch_job(j.id)
end
