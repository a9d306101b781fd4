-- Putting jobs into lanes.

local read_push, push_one
if asked[PUSH] then
  local FIELDS = '<BddIHc0Hc0Hc0Bc0'

  -- A push has all that the record of a job needs, and becomes it if there is none.
  function read_push(raw)
    local c, order, ready, width, of, name, id, route = unpack(FIELDS, raw)
    return { id = of .. '\0' .. id, c = c, future = 0, order = order, ready = ready, lost = 0, wait = 0, key = name, rule = '',
      count = 0, waits = '', lane = of, full = of .. '\0' .. name, job = id, w = width, route = route }
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

  function push_one(p, again)
    local l = lane(p.lane)
    if l.w ~= p.w or l.route ~= p.route then
      l.w, l.route = p.w, p.route
      touch(l)
    end
    local ready = p.ready > now and p.ready or now
    local j = jobs[p.id]
    if not j then
      p.ready = ready
      jobs[p.id] = p
      if l.jobs == 0 then
        l.floor = now
        total(l, 'lanes', 1)
      end
      l.jobs = l.jobs + 1
      total(l, 'jobs', 1)
      local k = keys[p.full]
      k.lane, k.key = p.lane, p.key
      enter(l, k, p, p.job)
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
end
