-- ARGV: call, agent, holder, class, wait (1/0)
-- Answer: lease (token, holder, agent) | waiting (position, ticket, since) | full (scope)
local s = slots.open(slots.settings(ARGV))
local call, agent, holder = ARGV[7], ARGV[8], ARGV[9]
local class, wait = tonumber(ARGV[10]), ARGV[11] == '1'
slots.purge(s)
slots.promote(s)

local function answer(word, ...)
  slots.close(s)
  return { word, s.c.genesis, ... }
end

local own = slots.owner(s, call)
if own then -- asked again: a lost reply, or the leg arrived at another gateway than the webhook
  if not own.adopted then
    own.holder = holder
    slots.put(s, call, own, s.set.ttl)
  end
  return answer('lease', own.token, own.holder, own.agent)
end

local w = slots.dequeue(s, call)
local no = slots.refusal(s, agent, class)
if w then
  if slots.circuit(s) == 'open' and w.class > 0 then return answer('full', 'circuit') end
  w.holder = holder
elseif not no then
  local lease = { agent = agent, holder = holder, class = class, adopted = false }
  slots.grant(s, call, lease, s.set.ttl)
  return answer('lease', lease.token, holder, agent)
else
  local bound = s.c.max_waiting or 0
  local full = class > 0 and redis.call('ZCARD', s.queue) >= bound
  if not wait or no == 'circuit' or no == 'unconfigured' or full then
    redis.call('HINCRBY', s.counts, 's:refused', 1)
    local queue_full = wait and full and bound > 0 and no ~= 'circuit' and no ~= 'unconfigured'
    return answer('full', queue_full and 'queue' or no)
  end
  redis.call('ZREM', s.gone, call)
  w = { ticket = redis.call('HINCRBY', s.config, 'ticket', 1), class = class, since = s.now,
    agent = agent, holder = holder }
end
slots.enqueue(s, call, w)
return answer('waiting', slots.position(s, call, w), w.ticket, w.since, w.agent, w.class)
