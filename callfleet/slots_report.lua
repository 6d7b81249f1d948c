-- ARGV: what, then its values. What the API tells us of our account, shared by the whole fleet:
--   refusal kind      a session or response was refused: back off, once per moment of congestion
--   open seconds why  a fatal key error: no new calls for a while;   close
--   tokens used       from response.done;   remaining left limit     from rate_limits.updated
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
  redis.call('HSET', s.config, 'circuit_until', s.now + tonumber(ARGV[8]) * 1000,
    'circuit_reason', ARGV[9])
  redis.call('HINCRBY', s.counts, 's:circuit_opened', 1)
  for _, text in ipairs(redis.call('HVALS', s.waiters)) do
    slots.hint(s, string.match(text, '^%d+|%d|%d+|[^|]*|(.*)$')) -- they overflow now, not later
  end
elseif what == 'close' then
  redis.call('HDEL', s.config, 'circuit_until', 'circuit_reason')
  s.c.circuit_until = nil
elseif what == 'tokens' then
  slots.note_tokens(s, slots.token_rate(s) + tonumber(ARGV[8]))
elseif what == 'remaining' then
  local used = tonumber(ARGV[9]) - tonumber(ARGV[8])
  if used > slots.token_rate(s) then slots.note_tokens(s, used) end
end
if what ~= 'open' and what ~= 'refusal' then slots.promote(s) end
slots.close(s)
return { 'ok', s.c.genesis }
