-- Notes a gateway as being buried unless its lease lives: 1 if it may go on. With a third argument it is the end of it:
-- the gateway leaves the index.
-- KEYS leases, buried; ARGV gateway, milliseconds that a note is kept, optional "done".
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local till = redis.call('ZSCORE', KEYS[1], ARGV[1])
if till and tonumber(till) > now then
  return 0
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
if ARGV[3] then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return 1
