-- The cards of all living workers. ARGV: alive for ms.
local alive = redis.call('ZRANGEBYSCORE', SEEN, now_ms() - tonumber(ARGV[1]), '+inf')
local cards = {}
for i, worker in ipairs(alive) do cards[i] = redis.call('HGET', CARDS, worker) end
return cards
