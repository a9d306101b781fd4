#!lua
-- Begins an epoch: from here on every call that names another one is refused, and claims until it is opened.
-- KEYS: the shard's meta hash. ARGV: run id, epoch's number, first token, limit of tokens, skew of the clock in µs.
local found = redis.call('HMGET', KEYS[1], 'epoch', 'counters')
local number = found[1] and string.match(found[1], ':(%d+)$')
if number and tonumber(number) >= tonumber(ARGV[2]) then
  return redis.error_reply('SUPERSEDED ' .. number)
end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2] + tonumber(ARGV[5])
local mark = found[2] and struct.unpack('<d', found[2]) or 0
-- A mark far ahead of the clock is a clock's mistake: it ends with its epoch.
if mark < now or mark > now + 60000000 then
  mark = now
end
redis.call('DEL', KEYS[1])
-- The counters: the mark, the last token, the last turn, until when nobody is reaped, the limit of tokens.
redis.call('HSET', KEYS[1], 'epoch', ARGV[1] .. ':' .. ARGV[2], 'open', '0', 'counters',
  struct.pack('<ddddd', mark, ARGV[3], 0, 0, ARGV[4]))
return redis.status_reply('OK')
