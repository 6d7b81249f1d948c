-- ARGV: call. A waiter gives up; if it was granted a moment ago and nobody took the call up, the
-- slot goes on to the next.
local s = slots.open(slots.settings(ARGV))
local call = ARGV[7]
local own = slots.owner(s, call)
if own and not own.adopted then slots.remove(s, call) end
if not own or not own.adopted then slots.bury(s, call) end
slots.dequeue(s, call)
slots.purge(s)
slots.promote(s)
slots.close(s)
return { 'ok', s.c.genesis }
