-- The call has no place any more. ARGV: call, and a worker when only that one's place is meant.
local call, worker = ARGV[1], ARGV[2]
if worker ~= '' and redis.call('GET', route_key(call)) ~= worker then return 0 end
return roster_drop(call) and 1 or 0
