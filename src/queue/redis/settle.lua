-- What the holder of a claim may do.

local DONE, RETRY, LATER, RELEASE = 0, 2, 3, 4
local give_back, extend, hold_class, read_ticket, park, grant, settle
if asked[PARK] or asked[GRANT] or asked[SETTLE] or asked[REAP] or asked[HOLD] or asked[RESUME] then
  function read_ticket(raw)
    local number, of, name, id, worker, rest = unpack('<dHc0Hc0Hc0Bc0', raw, 2)
    return { token = number, lane = of, key = name, full = of .. '\0' .. name, job = id, worker = worker, rest = rest }
  end

  -- The lane and key of a claim that is still its worker's.
  local function held_claim(t)
    local l, k = lanes[t.lane], keys[t.full]
    if k.token == t.token and k.head == t.job and l.owner == t.worker then
      k.lane, k.key = t.lane, t.key
      return l, k
    end
  end

  -- Ends a claim; its job is still the head of its key. Gives back the mark of a push that came meanwhile.
  local function release(l, k)
    local tokens, gone = l.tokens, pack('<d', k.token)
    if tokens == gone then
      l.tokens, tokens = '', ''
    end
    for i = 1, #tokens, 8 do
      if sub(tokens, i, i + 7) == gone then
        l.tokens = sub(tokens, 1, i - 1) .. sub(tokens, i + 8)
        break
      end
    end
    note_claim(l.owner, k.id, false)
    if l.tokens == '' then
      l.owner = ''
    end
    total(l, 'claims', -1)
    local mark = k.again
    k.token, k.again = nil, nil
    touch(l)
    touch_key(k)
    return mark
  end

  function give_back(l, k, lost)
    release(l, k)
    if lost then
      local j = job(l.id, k.head)
      j.lost = j.lost + 1
      touch_job(j.id)
    end
    line_settle(k)
    arrange(l, k)
  end

  function extend(old, t, rule)
    if t <= now or old and old.t >= t then
      return old
    end
    return { t = t, rule = rule }
  end

  function hold_class(l, c, t, rule)
    local old = l.class
    l.class = { old[1], old[2], old[3] }
    l.class[c] = extend(old[c], t, rule)
    touch(l)
  end

  -- Ends a claim with a wait.
  local function hold_back(l, k, t, rule, scope)
    release(l, k)
    local j = job(l.id, k.head)
    local slow = scope == PACE
    if slow or j.slow then
      j.slow, k.slow = slow, slow
      touch_job(j.id)
    end
    if scope == JOB then
      if t > j.wait then
        j.wait, j.rule = t, rule
        k.hw = t
        touch_job(j.id)
      end
    elseif scope == RECIPIENT then
      k.hold = extend(k.hold, t, rule)
    elseif scope == CLASS then
      hold_class(l, k.hc, t, rule)
    elseif slow then
      local p = paced(l)
      p.holds[k.hc] = extend(p.holds[k.hc], t, rule)
    else
      l.hold = extend(l.hold, t, rule)
    end
    line_settle(k)
    arrange(l, k)
  end

  local function take_turn(k)
    turn = turn + 1
    k.turn = turn
  end

  local function finish(l, k)
    local id = k.head
    local mark = release(l, k)
    line_remove(k, id)
    take_turn(k)
    if mark then
      local j = job(l.id, id)
      j.c, j.order, j.ready = mark.c, mark.order, mark.ready > now and mark.ready or now
      j.lost, j.count, j.waits, j.wait, j.rule, j.slow = 0, 0, '', 0, '', false
      enter(l, k, j, id)
    else
      local full = l.id .. '\0' .. id
      jobs[full] = false
      touch_job(full)
      l.jobs = l.jobs - 1
      total(l, 'jobs', -1)
      if l.jobs == 0 then
        total(l, 'lanes', -1)
      end
      arrange(l, k)
    end
  end

  local function later(l, k, t)
    local id = k.head
    local mark = release(l, k)
    local j = job(l.id, id)
    line_remove(k, id)
    take_turn(k)
    if mark then
      t = mark.ready < t and mark.ready or t
      j.c = mark.c < j.c and mark.c or j.c
    end
    j.ready = t > now and t or now
    j.wait, j.rule, j.slow = 0, '', false
    enter(l, k, j, id)
  end

  -- Writes a lane's state if it was made from the one that is here.
  local function write_fitting(l, version, binds, bytes)
    local s = state(l.id)
    if s.version ~= version then
      return s
    end
    s.version, s.binds, s.bytes = version + 1, binds, bytes
    -- Zero says that there is no state.
    l.binds = binds > 0 and binds or 1
    states_changed[l.id] = s
    touch(l)
  end

  local function read_new_state(raw, i)
    local version, binds, has, at_bytes = unpack('<ddB', raw, i)
    return version, binds, has == 1 and sub(raw, at_bytes) or nil
  end

  function park(raw, t)
    local i = t.rest
    local l, k = held_claim(t)
    if not l then
      return 1
    end
    local till, scope, rule = unpack('<dBHc0', raw, i)
    note(job(l.id, k.head), till, rule, scope)
    hold_back(l, k, till, rule, scope)
    return 0
  end

  function grant(raw, t)
    local i = t.rest
    local l, k = held_claim(t)
    if not l then
      return 1
    end
    local h, scope = held_by(l, k, k.hc)
    if k.hw > now and k.hw >= (h and h.t or 0) then
      h, scope = { t = k.hw, rule = job(l.id, k.head).rule }, JOB
    end
    if h then
      return { 3, h.t, scope, h.rule }
    end
    local stale = write_fitting(l, read_new_state(raw, i))
    return stale and { 4, stale.version, stale.bytes or false } or 0
  end

  function settle(raw, t)
    local i = t.rest
    local l, k = held_claim(t)
    if not l then
      return 1
    end
    local how, when, has
    how, when, has, i = unpack('<BdB', raw, i)
    if has == 1 then
      write_fitting(l, read_new_state(raw, i))
    end
    if how == RETRY then
      hold_back(l, k, when, 'retry', JOB)
    elseif how == LATER then
      later(l, k, when)
    elseif how == RELEASE then
      give_back(l, k, false)
    else
      finish(l, k)
    end
    return 0
  end
end
