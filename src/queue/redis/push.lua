-- Putting jobs into lanes.

local FIELDS = '<BddIHc0Hc0Hc0Bc0'

local function read_push(raw)
  local c, order, ready, width, lane_id, name, id, route = unpack(FIELDS, raw)
  return { c = c, order = order, ready = ready, w = width, lane = lane_id, key = name, job = id, route = route }
end

-- A push of a job that waits: the earlier time and the higher class hold. Its own wait ends only if the class rises.
local function merge(l, j, p, ready)
  local sooner, higher = ready < j.ready, p.c < j.c
  if not sooner and not higher then
    return
  end
  local k = key(l.id, j.key)
  leave(l, k, j, p.job)
  if sooner then
    j.ready = ready
  end
  if higher then
    j.c, j.wait, j.rule, j.slow = p.c, 0, '', false
  end
  enter(l, k, j, p.job)
end

local function push_one(p, again)
  local l = lane(p.lane)
  if l.w ~= p.w or l.route ~= p.route then
    l.w, l.route = p.w, p.route
  end
  touch(l)
  local ready = p.ready > now and p.ready or now
  local j = job(p.lane, p.job)
  if not j then
    j = { id = p.lane .. '\0' .. p.job, c = p.c, future = 0, order = p.order, ready = ready, lost = 0, wait = 0,
      key = p.key, rule = '', count = 0, waits = '' }
    jobs[j.id] = j
    if l.jobs == 0 then
      l.floor = now
      total(l, 'lanes', 1)
    end
    l.jobs = l.jobs + 1
    total(l, 'jobs', 1)
    enter(l, key(p.lane, p.key), j, p.job)
    return 1
  end
  local k = key(p.lane, j.key)
  if not k.token or k.head ~= p.job then
    merge(l, j, p, ready)
  elseif again then
    local old = k.again
    k.again = {
      c = old and old.c < p.c and old.c or p.c,
      order = p.order,
      ready = old and old.ready < p.ready and old.ready or p.ready,
    }
    touch_key(k)
  end
  return 0
end
