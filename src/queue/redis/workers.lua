-- Who holds which keys, and until when: written at the end of the call.

local leases, claimed = {}, {}

local function note_claim(worker, id, held)
  local of = claimed[worker]
  if not of then
    of = {}
    claimed[worker] = of
  end
  of[id] = held
end

local function write_claimed()
  for worker, of in pairs(claimed) do
    local add, remove = {}, {}
    for id, held in pairs(of) do
      local list = held and add or remove
      list[#list + 1] = id
    end
    in_chunks('SADD', P .. 'claims:' .. worker, add)
    in_chunks('SREM', P .. 'claims:' .. worker, remove)
  end
  claimed = {}
end

local function write_leases()
  for worker, ends in pairs(leases) do
    call('ZADD', P .. 'workers', format(WHOLE, ends), worker)
  end
  leases = {}
end
