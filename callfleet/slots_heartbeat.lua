-- ARGV: holder, number of leases, (call, agent, token)*, number of waiters,
--       (call, agent, class, ticket, since)*, tokens used, tokens left and their limit ('': not told)
-- Answer: limit (-1 = nobody stated it), genesis, held (1/0), {lost call}*, {call, token, agent granted}*,
--         {call, position, ticket, since}*, {call, scope refused}*, expired leases renewed again,
--         circuit ('' | open | half)
-- Renewals come before the purge, and re-registrations before any grant.
local s = slots.open(slots.settings(ARGV))
local holder = ARGV[7]
local lost, granted, waiting, refused, reasserted = {}, {}, {}, {}, 0
local until_ms, BATCH = s.now + s.set.ttl, 200

-- It lapsed while its holder could not speak, or this primary never heard of it. The session is open
-- all the same: it is counted, above the limit if need be, and no call is killed.
local function reassert(call, agent, token)
  slots.put(s, call, { agent = agent, holder = holder, class = 1, token = token, adopted = true },
    s.set.ttl)
  local last = tonumber(redis.call('HGET', s.config, 'token') or '0')
  if token > last then redis.call('HSET', s.config, 'token', string.format('%.0f', token)) end
  reasserted = reasserted + 1
end

-- A few at a time: one question and one answer for all that are as they should be.
local function renew(first, last)
  local calls, renewed = {}, {}
  for at = first, last, 3 do calls[#calls + 1] = ARGV[at] end
  local owners = redis.call('HMGET', s.owners, unpack(calls))
  for i, call in ipairs(calls) do
    local at = first + 3 * (i - 1)
    local owned, owner = slots.held_by(owners[i])
    local token = tonumber(ARGV[at + 2])
    if owned == token and owner == holder then
      renewed[#renewed + 1] = until_ms
      renewed[#renewed + 1] = call
    elseif (owned and owned >= token) or redis.call('ZSCORE', s.gone, call) then
      lost[#lost + 1] = call
    else
      reassert(call, ARGV[at + 1], token)
    end
  end
  if #renewed > 0 then redis.call('ZADD', s.leases, unpack(renewed)) end
end

local at = 9 + 3 * tonumber(ARGV[8])
for first = 9, at - 1, 3 * BATCH do renew(first, math.min(first + 3 * BATCH, at) - 1) end
if reasserted > 0 then redis.call('HINCRBY', s.counts, 's:reasserted', reasserted) end

local waiters = {}
local number = tonumber(ARGV[at])
at = at + 1
for i = 1, number do
  local call, agent = ARGV[at], ARGV[at + 1]
  waiters[i] = call
  if not slots.owner(s, call) then
    local w = slots.waiter(s, call)
    if w and w.holder == holder then
      redis.call('ZADD', s.alive, s.now + s.set.waiter_ttl, call)
    elseif not w and not redis.call('ZSCORE', s.gone, call) then
      slots.enqueue(s, call, { agent = agent, class = tonumber(ARGV[at + 2]),
        ticket = tonumber(ARGV[at + 3]), since = math.min(s.now, tonumber(ARGV[at + 4])),
        holder = holder })
    end
  end
  at = at + 5
end

slots.spend(s, tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]))
slots.purge(s)
slots.promote(s)

for _, call in ipairs(waiters) do
  local own, w = slots.owner(s, call), slots.waiter(s, call)
  if own and own.holder == holder then
    redis.call('ZADD', s.leases, s.now + s.set.ttl, call)
    granted[#granted + 1] = { call, own.token, own.agent }
  elseif not w or w.holder ~= holder then
    lost[#lost + 1] = call
  elseif w.class > 0 and slots.circuit(s) == 'open' then
    slots.dequeue(s, call)
    refused[#refused + 1] = { call, 'circuit' }
  else
    waiting[#waiting + 1] = { call, slots.position(s, call, w), w.ticket, w.since, w.agent,
      w.class }
  end
end
slots.close(s)
return { slots.limit(s) or -1, s.c.genesis, s.held and 1 or 0, lost, granted, waiting,
  refused, reasserted, slots.circuit(s) or '' }
