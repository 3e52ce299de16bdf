-- Renews a gateway's lease by this server's clock. One whose entries were removed meanwhile is noted as revived.
-- KEYS leases, buried, revived; ARGV gateway, milliseconds.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 then
  redis.call('SADD', KEYS[3], ARGV[1])
end
return 1
