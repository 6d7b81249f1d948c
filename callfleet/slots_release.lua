-- ARGV: call, token. Answer: 1 = given back, 0 = it was not ours any more
return { slots.release(slots.settings(ARGV), ARGV[7], tonumber(ARGV[8])) }
