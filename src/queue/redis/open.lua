#!lua
-- Lets claims through. KEYS: the shard's meta hash. ARGV: the epoch.
local found = redis.call('HGET', KEYS[1], 'epoch')
if found ~= ARGV[1] then
  return redis.error_reply('EPOCH ' .. (found or 'none'))
end
redis.call('HSET', KEYS[1], 'open', '1')
return redis.status_reply('OK')
