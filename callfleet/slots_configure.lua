-- ARGV: sessions, reserve for inbound, for outbound, max waiting, floor, tokens a minute ('' = none),
--       (agent, cap)*
-- The file's limits. What was set at run time stays in force over a file that says what it said
-- before, and ends when the file says something new: the newest decision holds.
local s = slots.open(slots.settings(ARGV))

local function state(key, name, value)
  local was = redis.call('HGET', key, 'file' .. name)
  if was and was ~= value then redis.call('HDEL', key, 'set' .. name) end
  redis.call('HSET', key, 'file' .. name, value)
end

state(s.config, '', ARGV[7])
redis.call('HSET', s.config, 'reserve1', ARGV[8], 'reserve2', ARGV[9], 'max_waiting', ARGV[10],
  'floor', ARGV[11], 'ttl', ARGV[3], 'heartbeat', ARGV[4], 'claim', ARGV[5],
  'waiter_ttl', ARGV[6])
if ARGV[12] == '' then
  redis.call('HDEL', s.config, 'tpm')
else
  redis.call('HSET', s.config, 'tpm', ARGV[12])
end
local capped = {}
for i = 13, #ARGV, 2 do
  capped[ARGV[i]] = true
  state(s.caps, ':' .. ARGV[i], ARGV[i + 1])
end
for _, name in ipairs(redis.call('HKEYS', s.caps)) do
  local agent = string.match(name, '^file:(.*)$')
  if agent and not capped[agent] then
    redis.call('HDEL', s.caps, 'file:' .. agent, 'set:' .. agent)
  end
end
local fresh = slots.peek(s.set) -- decide by the new limits
fresh.held, fresh.sparing, fresh.created = s.held, s.sparing, true
slots.purge(fresh)
slots.promote(fresh)
slots.close(fresh)
return { 'ok', s.c.genesis }
