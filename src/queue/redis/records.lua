-- Records: one HMGET and one HSET a hash for a whole call. Read once, changed in Lua tables, written at the end.
-- Times are µs, classes 1 to 3. A lane counts its ready keys (nr) and its held keys and jobs (nh) a class; the claims are
-- their tokens, eight bytes each, and all of one owner.
local lanes, keys, jobs, states = {}, {}, {}, {}
local lanes_changed, keys_changed, jobs_changed, states_changed, touched = {}, {}, {}, {}, {}
local totals = {}

local function queue_of(id)
  return string.match(id, '^[^/]*')
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

local function read_lane(id, raw)
  if not raw then
    return { id = id, q = queue_of(id), w = 1, jobs = 0, nr = { 0, 0, 0 }, nh = { 0, 0, 0 }, e = { 0, 0, 0 },
      tokens = '', owner = '', route = '', class = {}, floor = now, fresh = true }
  end
  local w, n, flags, r1, r2, r3, h1, h2, h3, floor, due, i = unpack('<IIHIIIIIIdd', raw)
  local l = { id = id, q = queue_of(id), w = w, jobs = n, nr = { r1, r2, r3 }, nh = { h1, h2, h3 }, e = { 0, 0, 0 },
    tokens = '', owner = '', route = '', class = {}, floor = floor, had = n > 0 }
  if band(flags, 1) > 0 then
    l.sturn, l.sole, i = unpack('<dHc0', raw, i)
  end
  if flags > 1 then
    if band(flags, 2) > 0 then
      l.owner, l.tokens, i = unpack('<Bc0Ic0', raw, i)
    end
    if band(flags, 4) > 0 then
      l.route, i = unpack('<Bc0', raw, i)
    end
    if band(flags, 8) > 0 then
      l.hold, i = read_hold(raw, i)
    end
    for c = 1, 3 do
      if band(flags, 8 * 2 ^ c) > 0 then
        l.class[c], i = read_hold(raw, i)
      end
    end
    if band(flags, 128) > 0 then
      local e = l.e
      e[1], e[2], e[3], i = unpack('<ddd', raw, i)
    end
    l.listed = band(flags, 256) > 0
    if band(flags, 512) > 0 then
      l.binds, i = unpack('<d', raw, i)
    end
  end
  if due >= 0 then
    l.due = due
    l.ix = l.tokens ~= '' and l.owner or l.route
  end
  return l
end

local function write_lane(l)
  local nr, nh = l.nr, l.nh
  local flags, rest = 0, ''
  if l.sole then
    flags, rest = 1, pack('<dHc0', l.sturn, #l.sole, l.sole)
  end
  if l.tokens ~= '' then
    flags, rest = flags + 2, rest .. pack('<Bc0Ic0', #l.owner, l.owner, #l.tokens, l.tokens)
  end
  if l.route ~= '' then
    flags, rest = flags + 4, rest .. pack('<Bc0', #l.route, l.route)
  end
  local h = l.hold
  if h and h.t > now then
    flags, rest = flags + 8, rest .. pack('<dHc0', h.t, #h.rule, h.rule)
  end
  for c = 1, 3 do
    h = l.class[c]
    if h and h.t > now then
      flags, rest = flags + 8 * 2 ^ c, rest .. pack('<dHc0', h.t, #h.rule, h.rule)
    end
  end
  if nh[1] + nh[2] + nh[3] > 0 then
    flags, rest = flags + 128, rest .. pack('<ddd', l.e[1], l.e[2], l.e[3])
  end
  if l.listed then
    flags = flags + 256
  end
  if l.binds then
    flags, rest = flags + 512, rest .. pack('<d', l.binds)
  end
  return pack('<IIHIIIIIIdd', l.w, l.jobs, flags, nr[1], nr[2], nr[3], nh[1], nh[2], nh[3], l.floor, l.due or -1) .. rest
end

-- The head of a key's order is kept in the key's record; the others wait in a sorted set that exists only if there are
-- any. A claimed job stays the head until it is settled.
local function read_key(id, raw)
  local lane_id, name = string.match(id, '^(%Z*)%z(.*)$')
  if not raw then
    return { id = id, lane = lane_id, key = name, tail = 0, future = 0, place = 0, pc = 0, turn = 0, hw = 0, fresh = true }
  end
  local k, flags, i = { id = id, lane = lane_id, key = name, hw = 0 }, nil, nil
  flags, k.tail, k.future, k.place, k.pc, k.turn, i = unpack('<BIIBBd', raw)
  if band(flags, 1) > 0 then
    k.hc, k.ho, k.hw, k.head, i = unpack('<BddHc0', raw, i)
  end
  if band(flags, 2) > 0 then
    k.token, i = unpack('<d', raw, i)
  end
  if flags > 3 then
    if band(flags, 4) > 0 then
      local a = {}
      a.c, a.order, a.ready, i = unpack('<Bdd', raw, i)
      k.again = a
    end
    if band(flags, 8) > 0 then
      k.hold, i = read_hold(raw, i)
    end
    k.listed = band(flags, 16) > 0
  end
  return k
end

local function write_key(k)
  local flags, rest = 0, ''
  if k.head then
    flags, rest = 1, pack('<BddHc0', k.hc, k.ho, k.hw, #k.head, k.head)
    if k.token then
      flags, rest = 3, rest .. pack('<d', k.token)
    end
  end
  local a = k.again
  if a then
    flags, rest = flags + 4, rest .. pack('<Bdd', a.c, a.order, a.ready)
  end
  if k.hold and k.hold.t > now then
    flags, rest = flags + 8, rest .. pack('<dHc0', k.hold.t, #k.hold.rule, k.hold.rule)
  end
  if k.listed then
    flags = flags + 16
  end
  return pack('<BIIBBd', flags, k.tail, k.future, k.place, k.pc, k.turn) .. rest
end

local function read_job(id, raw)
  if not raw then
    return false
  end
  local j, i = { id = id }, nil
  j.c, j.future, j.order, j.ready, j.lost, j.wait, j.key, j.rule, j.count, i = unpack('<BBddHdHc0Hc0B', raw)
  j.waits = string.sub(raw, i)
  return j
end

local function write_job(j)
  return pack('<BBddHdHc0Hc0B', j.c, j.future, j.order, j.ready, j.lost, j.wait, #j.key, j.key, #j.rule, j.rule, j.count)
    .. j.waits
end

local function read_state(id, raw)
  local s = { id = id, version = 0, binds = 0 }
  if raw then
    local has, i
    s.version, s.binds, has, i = unpack('<ddB', raw)
    s.bytes = has == 1 and string.sub(raw, i) or nil
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

-- A lane that changed is written, and its place in the due index looked at again.
local function touch(l)
  if not l.touched then
    l.touched = true
    touched[#touched + 1] = l
  end
  if not l.changed then
    l.changed = true
    lanes_changed[#lanes_changed + 1] = l
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
