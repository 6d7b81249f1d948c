-- The call is over: journal, slot, route and the hand-over to analytics in one step.
-- ARGV: call, token, keep ms, entries written, sealed end, reason, ended at, org, agent
-- (org and agent empty: the call never had a slot)
-- Answer: verdict; asking again after a lost reply is answered 'ok' and changes nothing.
local call, token = ARGV[1], tonumber(ARGV[2])
local no = refusal(call, token)
if no then
  if no[1] == 'ended' and tonumber(string.match(no[2], '^%d+')) == token then return {'ok'} end
  return no
end
local meta = meta_key(call)
local last = tonumber(redis.call('HGET', meta, 'sequence'))
if last < tonumber(ARGV[4]) then return {'gap', last} end
redis.call('HSET', meta, 'end', ARGV[5], 'reason', ARGV[6], 'ended_at', ARGV[7])
redis.call('SET', ended_key(call), ARGV[2] .. ' ' .. ARGV[6], 'PX', ARGV[3])
redis.call('ZADD', FINISHED, 'NX', now_ms(), call)
redis.call('ZREM', OPEN, call)
keep(call, ARGV[3])
roster_drop(call)
return {'ok'}
