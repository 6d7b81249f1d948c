-- ARGV: what, then its values. What the API tells us of our account, shared by the whole fleet:
--   refusal kind      a session or response was refused: back off, once per moment of congestion
--   open seconds why  a fatal key error: no new calls for a while
--   good              a session answered: the key is taken again, if that was being tried;   close
local s = slots.open(slots.settings(ARGV))
local what = ARGV[7]
slots.purge(s)
if what == 'refusal' then
  local limit = slots.limit(s)
  local since = s.now - (s.c.effective_at or 0)
  if limit and (not s.c.effective or since >= CUT_EVERY_MS) then
    local base = math.min(slots.backed_off(s), math.max(1, slots.total(s)))
    local cut = math.max(math.min(s.c.floor or 1, limit), base * CUT)
    redis.call('HSET', s.config, 'effective', string.format('%.3f', cut), 'effective_at', s.now)
  end
  redis.call('HINCRBY', s.counts, 's:api_' .. ARGV[8], 1)
elseif what == 'open' then
  slots.open_circuit(s, tonumber(ARGV[8]) * 1000, ARGV[9])
elseif what == 'close' then
  slots.close_circuit(s)
elseif what == 'good' and slots.circuit(s) == 'half' then
  slots.close_circuit(s)
end
if what ~= 'open' and what ~= 'refusal' then slots.promote(s) end
slots.close(s)
return { 'ok', s.c.genesis }
