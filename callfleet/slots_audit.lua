-- Recomputes what is derived from the leases and the waiters, repairs what drifted, says what it was.
-- Answer: genesis, {count's name, was, is}*, leases without owner, owners without lease,
--         places without waiter, waiters without place
local s = slots.open(slots.settings(ARGV))
slots.purge(s)

local truth, ownerless, leaseless = {}, 0, 0
for _, call in ipairs(redis.call('ZRANGE', s.leases, 0, -1)) do
  local own = slots.owner(s, call)
  if own then
    truth['a:' .. own.agent] = (truth['a:' .. own.agent] or 0) + 1
    truth['h:' .. own.holder] = (truth['h:' .. own.holder] or 0) + 1
  else -- nobody can renew or release it; it would only wait for its expiry
    redis.call('ZREM', s.leases, call)
    ownerless = ownerless + 1
  end
end
for _, call in ipairs(redis.call('HKEYS', s.owners)) do
  if not redis.call('ZSCORE', s.leases, call) then
    redis.call('HDEL', s.owners, call)
    leaseless = leaseless + 1
  end
end

local drift = {}
local function mend(name, was, is)
  if was == is then return end
  drift[#drift + 1] = { name, was, is }
  if is == 0 then
    redis.call('HDEL', s.counts, name)
  else
    redis.call('HSET', s.counts, name, is)
  end
end
local counted = redis.call('HGETALL', s.counts)
local seen = {}
for i = 1, #counted, 2 do
  local name = counted[i]
  seen[name] = true
  if string.match(name, '^[ah]:') then mend(name, tonumber(counted[i + 1]), truth[name] or 0) end
end
for name, is in pairs(truth) do
  if not seen[name] then mend(name, 0, is) end
end

local places, placeless = {}, 0
for _, call in ipairs(redis.call('HKEYS', s.waiters)) do
  local w = slots.waiter(s, call)
  local name = slots.place_name(call, w)
  places[name] = true
  if redis.call('ZADD', s.queue, 'NX', 0, name) == 1 then placeless = placeless + 1 end
  redis.call('ZADD', s.alive, 'NX', s.now + s.set.waiter_ttl, call)
  redis.call('ZADD', s.ring, 'NX', 0, w.agent)
end
local deserted = 0
for _, name in ipairs(redis.call('ZRANGE', s.queue, 0, -1)) do
  if not places[name] then
    redis.call('ZREM', s.queue, name)
    deserted = deserted + 1
  end
end
for _, call in ipairs(redis.call('ZRANGE', s.alive, 0, -1)) do
  if redis.call('HEXISTS', s.waiters, call) == 0 then redis.call('ZREM', s.alive, call) end
end
s.live = {}
if #drift > 0 then redis.call('HINCRBY', s.counts, 's:drift', #drift) end
slots.promote(s)
slots.close(s)
return { s.c.genesis, drift, ownerless, leaseless, deserted, placeless }
