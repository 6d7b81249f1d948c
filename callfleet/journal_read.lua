-- All of a journal, as of one moment. ARGV: call
local meta = redis.call('HGETALL', meta_key(ARGV[1]))
if #meta == 0 then return false end
return {meta, redis.call('XRANGE', entries_key(ARGV[1]), '-', '+')}
