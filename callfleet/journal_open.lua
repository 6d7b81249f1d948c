-- Begin a journal, or go on with it under a higher token.
-- ARGV: call, token, keep ms, wrapped key, sealed start, takeovers so far
-- Answer: verdict; 'ok' with wrapped key, sealed start, sequence, takeovers and the entries.
local call, token = ARGV[1], tonumber(ARGV[2])
local meta = meta_key(call)
local no = refusal(call, token)
if no and no[1] ~= 'absent' then return no end
if no then
  redis.call('HSET', meta, 'key', ARGV[4], 'start', ARGV[5], 'token', ARGV[2], 'sequence', 0,
    'takeovers', ARGV[6])
  redis.call('DEL', entries_key(call)) -- what a lost meta left behind was sealed with a lost key
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', OPEN, now, call)
  redis.call('ZREMRANGEBYSCORE', OPEN, '-inf', now - ARGV[3]) -- their journals have lapsed
else
  local held = tonumber(redis.call('HGET', meta, 'token'))
  if token > held then
    redis.call('HSET', meta, 'token', ARGV[2])
    if held > 0 then redis.call('HINCRBY', meta, 'takeovers', 1) end
  end
end
keep(call, ARGV[3])
local stored = redis.call('HMGET', meta, 'key', 'start', 'sequence', 'takeovers')
return {'ok', stored[1], stored[2], stored[3], stored[4],
  redis.call('XRANGE', entries_key(call), '-', '+')}
