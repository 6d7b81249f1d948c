-- Where a call is, if its worker is alive. ARGV: call, alive for ms. Answer: worker and card.
local worker = redis.call('GET', route_key(ARGV[1]))
if not worker then return false end
local seen = redis.call('ZSCORE', SEEN, worker)
local card = redis.call('HGET', CARDS, worker)
if not seen or not card or tonumber(seen) < now_ms() - tonumber(ARGV[2]) then return false end
return {worker, card}
