-- Where journals are, and the checks their scripts share.
--   <call>:meta     HASH    start, key (wrapped), token, sequence, takeovers, end, reason, ended_at
--   <call>:entries  STREAM  id <sequence>-0, field e: the sealed entry
--   <call>:ended    STRING  token and reason; outlives the journal a while, so that a late writer
--                           learns the call is over and a carrier's question gets its answer
--   finished        ZSET    calls that ended and are not recorded yet -> when they ended
--   open            ZSET    calls that have a journal and no end -> when it was opened
local FINISHED, OPEN = 'callfleet:journal:finished', 'callfleet:journal:open'

local function meta_key(call) return 'callfleet:journal:{' .. call .. '}:meta' end
local function entries_key(call) return 'callfleet:journal:{' .. call .. '}:entries' end
local function ended_key(call) return 'callfleet:journal:{' .. call .. '}:ended' end

local function keep(call, keep_ms)
  redis.call('PEXPIRE', meta_key(call), keep_ms)
  redis.call('PEXPIRE', entries_key(call), keep_ms)
end

-- Why `token` may not write now; nothing when it may.
local function refusal(call, token)
  local ended = redis.call('GET', ended_key(call))
  if ended then return {'ended', ended} end
  local held = redis.call('HGET', meta_key(call), 'token')
  if not held then return {'absent'} end
  if tonumber(held) > token then return {'fenced'} end
end
