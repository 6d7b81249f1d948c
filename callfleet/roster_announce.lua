-- A worker is alive; its calls stay its own.
-- ARGV: worker, card, route ms, forgotten after ms, '1' when all its calls follow, call...
-- Answer: those of its calls that belong to another worker by now.
local worker, card = ARGV[1], ARGV[2]
local route_ms, forgotten_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()
redis.call('ZADD', SEEN, now, worker)
redis.call('HSET', CARDS, worker, card)

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', SEEN, '-inf', now - forgotten_ms)) do
  redis.call('ZREM', SEEN, silent)
  redis.call('HDEL', CARDS, silent)
end

local calls = {}
if ARGV[5] == '1' then
  for i = 6, #ARGV do calls[#calls + 1] = ARGV[i] end
else
  calls = redis.call('ZRANGEBYSCORE', settled_key(worker), '(' .. now, '+inf')
end

local elsewhere = {}
for _, call in ipairs(calls) do
  local holder = redis.call('GET', route_key(call))
  if not holder or holder == worker then
    redis.call('SET', route_key(call), worker, 'PX', route_ms)
    redis.call('ZREM', reserved_key(worker), call)
    redis.call('ZADD', settled_key(worker), now + route_ms, call)
  else
    redis.call('ZREM', settled_key(worker), call)
    elsewhere[#elsewhere + 1] = call
  end
end
if #calls > 0 then redis.call('PEXPIRE', settled_key(worker), route_ms) end
return elsewhere
