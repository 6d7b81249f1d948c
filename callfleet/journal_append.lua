-- Add entries in order; those already there (a reply was lost) are not added again.
-- ARGV: call, token, keep ms, sequence of the first, sealed entry...
-- Answer: verdict; 'gap' with the last sequence that is there when earlier ones were lost.
local call, token, first = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local no = refusal(call, token)
if no then return no end
local last = tonumber(redis.call('HGET', meta_key(call), 'sequence'))
if last < first - 1 then return {'gap', last} end
for i = 5, #ARGV do
  local sequence = first + i - 5
  if sequence > last then
    redis.call('XADD', entries_key(call), sequence .. '-0', 'e', ARGV[i])
    last = sequence
  end
end
-- The token too: a promoted replica may know an older one, and let an older holder write.
redis.call('HSET', meta_key(call), 'sequence', last, 'token', ARGV[2])
keep(call, ARGV[3])
return {'ok', last}
