-- ARGV: call, token. Answer: 1 = given back, 0 = it was not ours any more
local s = slots.open(slots.settings(ARGV))
local given = slots.release(s, ARGV[7], tonumber(ARGV[8]))
slots.purge(s)
slots.promote(s)
slots.close(s)
return { given, s.c.genesis }
