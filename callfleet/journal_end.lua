-- The call is over: journal, slot, route and the hand-over to analytics in one step.
-- ARGV: call, token, keep ms, entries written, sealed end, reason, ended at, org of the slot
-- (empty: the call never had one)
--
-- The slot is asked as well: between its adoption and the adopter's opening of the journal only the
-- slot knows that this holder is no longer the one to end the call.
-- Answer: verdict; asking again after a lost reply is answered 'ok' and changes nothing.
local call, token = ARGV[1], tonumber(ARGV[2])
local no = refusal(call, token)
if no then
  if no[1] == 'ended' and tonumber(string.match(no[2], '^%d+')) == token then return {'ok'} end
  return no
end
local slot = ARGV[8] ~= '' and { org = ARGV[8], seen = '' } or nil
local owner = slot and slots.owner(slots.peek(slot), call)
if owner and owner.token > token then return {'fenced'} end
local meta = meta_key(call)
local last = tonumber(redis.call('HGET', meta, 'sequence'))
if last < tonumber(ARGV[4]) then return {'gap', last} end
redis.call('HSET', meta, 'end', ARGV[5], 'reason', ARGV[6], 'ended_at', ARGV[7])
redis.call('SET', ended_key(call), ARGV[2] .. ' ' .. ARGV[6], 'PX', ARGV[3])
redis.call('ZADD', FINISHED, 'NX', now_ms(), call)
redis.call('ZREM', OPEN, call)
keep(call, ARGV[3])
roster_drop(call)
if slot then slots.release(slot, call, token) end
return {'ok'}
