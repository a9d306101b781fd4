#!lua
-- What every call starts with: the epoch, the lane time, and the operations as packed strings.
-- KEYS: the shard's meta hash, the prefix of this epoch's keys. ARGV: epoch, the lease and a skew of the clock in µs
-- (tests shift time by it), operations.
-- Nothing is written before all operations were looked at; numbers never pass through `..` or tostring, which keep
-- 14 digits only. Redis prints every number that it is given to 17 digits, which takes longer than most commands: where
-- a command is given at every call, so is a string.
local spread = unpack
local call, pack, unpack, band = redis.call, struct.pack, struct.unpack, bit.band
local byte, sub, find, floor, ipairs, pairs = string.byte, string.sub, string.find, math.floor, ipairs, pairs
local format = string.format
local META, P = KEYS[1], KEYS[2]
local IDLE, OWN_IDLE = P .. 'idle:', P .. 'own:'
local BASE = sub(META, 1, -5)
local LEASE, SKEW, SILENCE, AHEAD = tonumber(ARGV[2]), tonumber(ARGV[3]), 3000000, 60000000
local FAR, SPAN, HALF = 9007199254740991, 2 ^ 51, 2 ^ 50
local PUSH, CLAIM, PARK, GRANT, SETTLE, BEAT, REAP, HOLD, RESUME, FIND, INSPECT, JOBS, PEEK = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  11, 12, 13

local meta = call('HMGET', META, 'epoch', 'open', 'counters')
if meta[1] ~= ARGV[1] or not meta[3] then
  return redis.error_reply('EPOCH ' .. (meta[1] or 'none'))
end
local open, mark, token, turn, quiet, limit = meta[2] == '1', unpack('<ddddd', meta[3])
local clock = call('TIME')
clock = clock[1] * 1000000 + clock[2] + SKEW
if mark > clock + AHEAD then
  return redis.error_reply('AHEAD the lane time is more than a minute ahead of the clock')
end
-- Strictly rising, so that turns between lanes last even while the clock stands or steps back.
local now = clock > mark and clock or mark + 1
-- Whole numbers beyond 32 bits are printed fastest as such, where that works.
local WHOLE = format('%d', FAR) == '9007199254740991' and '%d' or '%.0f'
local NOW = format(WHOLE, now)
if now - mark >= SILENCE then
  quiet = now + LEASE
end

local ops, asked, at = {}, {}, 4
while at <= #ARGV do
  local raw = ARGV[at]
  local kind = byte(raw)
  asked[kind] = true
  if kind == PUSH then
    local _, rule, count = unpack('<BBI', raw)
    ops[#ops + 1] = { PUSH, rule, at + 1, count }
    at = at + count
  else
    if kind == CLAIM and not open then
      return redis.error_reply('CLOSED the lanes are being loaded')
    end
    ops[#ops + 1] = { kind, raw }
  end
  at = at + 1
end
if token + 100000 > limit then
  return redis.error_reply('EPOCH spent')
end

-- What follows is one function: its functions find what is named above at once, however many names there are. Those that
-- only some operations need are made only when one of these is asked for, because a call costs what it makes.
local function carry_out()
