-- ARGV: agent ('' = the org), sessions ('' = as the file says)
-- A limit changed while running. Shrinking ends no call, it only grants nothing until below.
local s = slots.open(slots.settings(ARGV))
if ARGV[7] == '' and not s.c.file then
  slots.close(s)
  return { 'unconfigured', s.c.genesis }
end
local key, name = s.config, 'set'
if ARGV[7] ~= '' then key, name = s.caps, 'set:' .. ARGV[7] end
if ARGV[8] == '' then
  redis.call('HDEL', key, name)
else
  redis.call('HSET', key, name, ARGV[8])
end
local fresh = slots.peek(s.set)
fresh.held, fresh.sparing = s.held, s.sparing
slots.purge(fresh)
slots.promote(fresh)
slots.close(fresh)
return { 'ok', s.c.genesis }
