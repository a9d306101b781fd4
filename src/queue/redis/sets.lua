-- Where things stand: a key's jobs in order, a lane's ready and held keys, a queue's lanes by due time.

local function before(c, order, id, c2, order2, id2)
  if c ~= c2 then
    return c < c2
  end
  if order ~= order2 then
    return order < order2
  end
  return id < id2
end

local function first_of(name)
  local found = call('ZRANGE', name, 0, 0, 'WITHSCORES')
  if found[1] then
    return found[1], tonumber(found[2])
  end
end

-- The class and order that a score in a tail stands for.
local function place_of_score(score)
  local c = floor((score + HALF) / SPAN)
  return c, score - c * SPAN
end

-- Only a job that was overtaken by another of its key waits for itself, or is slow, without being the head: where that
-- happened, the key says so, and what becomes the head is asked.
local function head_is(k, id, c, order)
  k.head, k.hc, k.ho, k.hw, k.slow = id, c, order, 0, nil
  if k.waits then
    local j = job(k.lane, id)
    if j then
      k.hw, k.slow = j.wait, j.slow
    end
  end
end

-- Puts a job into its key's order.
local function line_add(k, j, id)
  touch_key(k)
  if not k.head then
    k.head, k.hc, k.ho, k.hw, k.slow = id, j.c, j.order, j.wait, j.slow
    return
  end
  k.tail = k.tail + 1
  local tail = P .. 't:' .. k.id
  if k.token or before(k.hc, k.ho, k.head, j.c, j.order, id) then
    call('ZADD', tail, format(WHOLE, j.c * SPAN + j.order), id)
    k.waits = k.waits or j.wait > now or j.slow
  else
    call('ZADD', tail, format(WHOLE, k.hc * SPAN + k.ho), k.head)
    k.waits = k.waits or k.hw > now or k.slow
    k.head, k.hc, k.ho, k.hw, k.slow = id, j.c, j.order, j.wait, j.slow
  end
end

-- Takes a job out of its key's order.
local function line_remove(k, id)
  touch_key(k)
  if k.head ~= id then
    k.tail = k.tail - call('ZREM', P .. 't:' .. k.id, id)
    return
  end
  k.head, k.hw, k.slow = nil, 0, nil
  if k.tail > 0 then
    local popped = call('ZPOPMIN', P .. 't:' .. k.id)
    k.tail = k.tail - 1
    head_is(k, popped[1], place_of_score(tonumber(popped[2])))
  end
end

-- After a claim was given back: something may have come in before the job meanwhile.
local function line_settle(k)
  if k.tail > 0 then
    local tail = P .. 't:' .. k.id
    local id, score = first_of(tail)
    local c, order = place_of_score(score)
    if before(c, order, id, k.hc, k.ho, k.head) then
      call('ZREM', tail, id)
      call('ZADD', tail, format(WHOLE, k.hc * SPAN + k.ho), k.head)
      k.waits = k.waits or k.hw > now or k.slow
      head_is(k, id, c, order)
    end
  end
end

local function held_add(l, c, member, t, again)
  call('ZADD', P .. 'h' .. c .. ':' .. l.id, format(WHOLE, t), member)
  if again then
    l.stale = true
  else
    if l[c + 3] == 0 or t < l[c + 6] then
      l[c + 6] = t
    end
    l[c + 3] = l[c + 3] + 1
  end
end

local function held_remove(l, c, member)
  call('ZREM', P .. 'h' .. c .. ':' .. l.id, member)
  l[c + 3] = l[c + 3] - 1
  l.stale = true
end

-- A lane's only ready key stands in its record, further ones make sorted sets of all.
local function ready_add(l, c, k)
  if l[1] + l[2] + l[3] == 0 then
    l.sole, l.sturn = k.key, k.turn
  else
    if l.sole then
      local of = l[1] > 0 and 1 or l[2] > 0 and 2 or 3
      call('ZADD', P .. 'r' .. of .. ':' .. l.id, format(WHOLE, l.sturn), l.sole)
      l.sole = nil
    end
    call('ZADD', P .. 'r' .. c .. ':' .. l.id, format(WHOLE, k.turn), k.key)
  end
  l[c] = l[c] + 1
end

local function ready_remove(l, c, name)
  if l.sole then
    l.sole = nil
  else
    call('ZREM', P .. 'r' .. c .. ':' .. l.id, name)
  end
  l[c] = l[c] - 1
end

local function paced(l)
  if not l.paced then
    l.paced = { 0, 0, 0, holds = {} }
  end
  return l.paced
end

local function slow_add(l, c, k)
  local p = paced(l)
  p[c] = p[c] + 1
  call('ZADD', P .. 's' .. c .. ':' .. l.id, format(WHOLE, k.turn), k.key)
end

local function slow_remove(l, c, name)
  l.paced[c] = l.paced[c] - 1
  call('ZREM', P .. 's' .. c .. ':' .. l.id, name)
end

local NOWHERE, READY, HELD, CLAIMED, SLOW = 0, 1, 2, 3, 4

-- Puts a key where it belongs: called after every change to it, the only place that decides.
local function arrange(l, k)
  touch(l)
  touch_key(k)
  local hold = k.hold and k.hold.t or 0
  local place, c, t = NOWHERE, k.pc, 0
  if k.token then
    place = CLAIMED
  elseif k.head then
    c = k.hc
    t = k.hw > hold and k.hw or hold
    place = t > now and HELD or k.slow and SLOW or READY
  end
  if k.place == NOWHERE and place ~= NOWHERE then
    turn = turn + 1
    k.turn = turn
  end
  local same = place == k.place and c == k.pc
  if not same then
    if k.place == READY then
      ready_remove(l, k.pc, k.key)
    elseif k.place == HELD then
      held_remove(l, k.pc, 'k' .. k.key)
    elseif k.place == SLOW then
      slow_remove(l, k.pc, k.key)
    end
    if place == READY then
      ready_add(l, c, k)
    elseif place == SLOW then
      slow_add(l, c, k)
    end
  end
  if place == HELD then
    held_add(l, c, 'k' .. k.key, t, same)
  end
  k.place, k.pc = place, c
end

-- Puts a job that is nowhere into its key: in order, or aside until it is due.
local function enter(l, k, j, id)
  if j.ready > now then
    j.future = 1
    k.future = k.future + 1
    call('ZADD', P .. 'f:' .. k.id, format(WHOLE, j.ready), id)
    held_add(l, j.c, 'j' .. id, j.ready)
  else
    j.future = 0
    line_add(k, j, id)
  end
  touch_job(j.id)
  arrange(l, k)
end

-- Takes a job that waits out of its key. The caller puts it back.
local function leave(l, k, j, id)
  if j.future == 1 then
    k.future = k.future - 1
    call('ZREM', P .. 'f:' .. k.id, id)
    held_remove(l, j.c, 'j' .. id)
  else
    line_remove(k, id)
  end
end

-- Lets the jobs of a key that became due join its order.
local function join_due(l, k)
  local due = call('ZRANGEBYSCORE', P .. 'f:' .. k.id, '-inf', now, 'LIMIT', 0, 256)
  for _, id in ipairs(due) do
    local j = job(l.id, id)
    leave(l, k, j, id)
    enter(l, k, j, id)
  end
end

-- Who may claim from a lane now: '' anybody, nil nobody.
local function served_by(l)
  if l.tokens == '' then
    return l.route
  end
  if l.route == '' or l.route == l.owner then
    return l.owner
  end
end

-- Looks up the earliest held of each class again, after some left.
local function refresh(l)
  l.stale = false
  for c = 1, 3 do
    if l[c + 3] > 0 then
      local _, t = first_of(P .. 'h' .. c .. ':' .. l.id)
      l[c + 6] = t
    end
  end
end

local function next_of(l)
  if #l.tokens >= 8 * l.w then
    return nil
  end
  local best
  local p = l.paced
  if l.sole and l.class == NONE and l[4] + l[5] + l[6] == 0 then
    best = 0
  else
    for c = 1, 3 do
      local t = l[c] > 0 and 0 or l[c + 3] > 0 and l[c + 6]
      if p and p[c] > 0 and t ~= 0 then
        local slowed = p.holds[c] and p.holds[c].t or 0
        t = t and t < slowed and t or slowed
      end
      if t then
        local h = l.class[c]
        if h and h.t > t then
          t = h.t
        end
        if not best or t < best then
          best = t
        end
      end
    end
  end
  if best then
    if l.hold and l.hold.t > best then
      best = l.hold.t
    end
    return best > l.floor and best or l.floor
  end
end

local woken, routed = {}, {}

local function may_wake(q, ix)
  local of = woken[q]
  if not of then
    of = {}
    woken[q] = of
  end
  of[ix] = true
end

local due_sets = {}

local function due_set(q, ix)
  local of = due_sets[q]
  if not of then
    of = {}
    due_sets[q] = of
  end
  local name = of[ix]
  if not name then
    name = P .. 'due:' .. q .. ':' .. ix
    of[ix] = name
  end
  return name
end

local firsts = {}

-- When the first lane of a queue is due, of those that a worker alone may serve or, '', anybody.
local function first_due(q, ix)
  local name = due_set(q, ix)
  local due = firsts[name]
  if due == nil then
    local _
    _, due = first_of(name)
    firsts[name] = due or false
  end
  return due
end

-- Writes the places of the touched lanes in their queues. Says whether one of them is due by now.
local function stand()
  if #touched == 0 then
    return false
  end
  local add, remove, waits = {}, {}, false
  for _, l in ipairs(touched) do
    l.changed = WRITTEN
    if l.stale then
      refresh(l)
    end
    local ix = served_by(l)
    local due = l.jobs > 0 and ix and next_of(l) or nil
    if l.due and (not due or l.ix ~= ix) then
      local name = due_set(l.q, l.ix)
      local list = remove[name] or {}
      remove[name] = list
      list[#list + 1] = l.id
    end
    if due and (l.due ~= due or l.ix ~= ix) then
      local name = due_set(l.q, ix)
      local list = add[name] or {}
      add[name] = list
      list[#list + 1] = due == now and NOW or format(WHOLE, due)
      list[#list + 1] = l.id
      may_wake(l.q, ix)
      if ix ~= '' then
        routed[l.q .. ' ' .. ix] = true
      end
    end
    l.due, l.ix = due, ix
    waits = waits or due and due <= now
  end
  touched, firsts = {}, {}
  for name, list in pairs(remove) do
    in_chunks('ZREM', name, list)
  end
  for name, list in pairs(add) do
    in_chunks('ZADD', name, list)
  end
  return waits
end

local queue_holds = {}

local function queue_hold(q)
  local h = queue_holds[q]
  if not h then
    local raw = call('HGET', P .. 'holds', q)
    h = raw and read_hold(raw, 1) or { t = 0, rule = '' }
    queue_holds[q] = h
  end
  return h
end

-- What holds a job besides its own place: the hold that ends last, and its scope.
local function held_by(l, k, c)
  local found, scope = queue_hold(l.q), 3
  if l.hold and l.hold.t >= found.t then
    found = l.hold
  end
  local h = l.class[c]
  if h and h.t >= found.t then
    found, scope = h, 2
  end
  h = k.hold
  if h and h.t >= found.t then
    found, scope = h, 1
  end
  if found.t > now then
    return found, scope
  end
end
