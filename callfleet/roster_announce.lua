-- A worker is alive; its calls stay its own.
-- ARGV: worker, card, route ms, forgotten after ms, alive for ms, '1' when all its calls follow,
-- call...
-- Answer: those of its calls that belong to another worker by now.
local worker, card = ARGV[1], ARGV[2]
local route_ms, forgotten_ms, alive_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
redis.call('ZADD', SEEN, now, worker)
redis.call('HSET', CARDS, worker, card)

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', SEEN, '-inf', now - forgotten_ms)) do
  redis.call('ZREM', SEEN, silent)
  redis.call('HDEL', CARDS, silent)
end

local calls, all = {}, ARGV[6] == '1'
if all then
  for i = 7, #ARGV do calls[#calls + 1] = ARGV[i] end
else
  calls = redis.call('ZRANGEBYSCORE', settled_key(worker), '(' .. now, '+inf')
end

-- Most places are young enough to be left alone until a third of their time is gone.
local elsewhere, said = {}, {}
local until_ms = #calls > 0 and redis.call('ZMSCORE', settled_key(worker), unpack(calls)) or {}
for i, call in ipairs(calls) do
  said[call] = true
  if not until_ms[i] or tonumber(until_ms[i]) < now + route_ms * 2 / 3 then
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
end
-- A call it does not speak of is over, unless it was settled a moment ago: it ended just when an
-- earlier announcement with it was on its way, and that brought its place back.
if all then
  local settled = now + route_ms - alive_ms
  for _, call in ipairs(redis.call('ZRANGEBYSCORE', settled_key(worker), '-inf', settled)) do
    if not said[call] then
      redis.call('ZREM', settled_key(worker), call)
      if redis.call('GET', route_key(call)) == worker then redis.call('DEL', route_key(call)) end
    end
  end
end
if #calls > 0 then redis.call('PEXPIRE', settled_key(worker), route_ms) end
return elsewhere
