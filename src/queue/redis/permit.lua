#!lua
-- A permit of a bucket that several lanes share; what `permits.rs` does, in the same words. KEYS: the bucket's hash, its
-- lanes' turns. ARGV: the lane, the period and the slack in µs, the time after which a turn is given up, skew of the clock in
-- µs, until when the bucket is blocked from now on (0: asks for a permit).
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2] + tonumber(ARGV[5])
local found = redis.call('HMGET', KEYS[1], 'used', 'promised', 'blocked')
local used, promised, blocked = tonumber(found[1] or 0), tonumber(found[2] or 0), tonumber(found[3] or 0)
local lane, period, slack, forfeit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function digits(number)
  return string.format('%.0f', number)
end
local function keep()
  redis.call('HSET', KEYS[1], 'used', digits(used), 'promised', digits(promised), 'blocked', digits(blocked))
  -- Nothing binds any more after that.
  local last = math.max(used, promised, blocked) - now + forfeit
  local life = digits(math.ceil(last / 1000) + 60000)
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
local block = tonumber(ARGV[6])
if block > 0 then
  blocked = math.max(blocked, block)
  keep()
  return 0
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. digits(now - forfeit))
if redis.call('ZCARD', KEYS[2]) == 0 then
  promised = used
end
local open = math.max(now, blocked)
local turn = tonumber(redis.call('ZSCORE', KEYS[2], lane) or nil)
if not turn or turn < blocked then
  turn = math.max(open, promised - slack)
  promised = math.max(promised, turn) + period
end
local at = math.max(turn, open, used - slack)
if at <= now then
  redis.call('ZREM', KEYS[2], lane)
  used = math.max(used, now) + period
  at = 0
else
  redis.call('ZADD', KEYS[2], digits(turn), lane)
end
keep()
return digits(at)
