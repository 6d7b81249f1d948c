-- Delete a finished call's journal, its key first of all. ARGV: call, ended mark kept for ms
-- Answer: 0 when the call has not finished, or was forgotten before.
local call = ARGV[1]
if redis.call('ZREM', FINISHED, call) == 0 then return 0 end
redis.call('DEL', meta_key(call), entries_key(call))
redis.call('PEXPIRE', ended_key(call), ARGV[2])
return 1
