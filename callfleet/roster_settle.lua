-- The worker has taken the call: its place no longer lapses by itself.
-- ARGV: call, worker, route ms. Answer: 1, or 0 when the call belongs to another worker.
local call, worker, route_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local holder = redis.call('GET', route_key(call))
if holder and holder ~= worker then return 0 end
redis.call('SET', route_key(call), worker, 'PX', route_ms)
redis.call('ZREM', reserved_key(worker), call)
redis.call('ZADD', settled_key(worker), now_ms() + route_ms, call)
redis.call('PEXPIRE', settled_key(worker), route_ms)
return 1
