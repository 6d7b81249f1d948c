-- Who gets a slot: limits, reserve, back-off, token budget, circuit, and the fair turn of the queues.
local RECOVERY_PER_S = 0.005 -- of the limit: from a half back to the whole in 100 s
local CUT, CUT_EVERY_MS = 0.7, 2000
local TOKEN_WINDOW_MS = 60000
local CIRCUIT_LONGEST_MS, PROBE_MS = 600000, 30000

function slots.limit(s)
  return s.c.set or s.c.file
end

-- The limit as the API lets us have it: cut by refusals, growing back a little every second.
function slots.backed_off(s)
  local limit, cut = slots.limit(s), s.c.effective
  if not limit or not cut then return limit end
  local grown = (s.now - s.c.effective_at) / 1000 * math.max(limit * RECOVERY_PER_S, 0.05)
  return math.min(limit, cut + grown)
end

function slots.effective(s)
  local exact = slots.backed_off(s)
  return exact and math.floor(exact)
end

-- The agent's own cap, nil if it has none; what was set at run time goes before the file.
function slots.cap(s, agent)
  if s.cap_of[agent] == nil then
    local got = redis.call('HMGET', s.caps, 'set:' .. agent, 'file:' .. agent)
    s.cap_of[agent] = tonumber(got[1] or got[2] or '') or false
  end
  return s.cap_of[agent] or nil
end

function slots.agent_live(s, agent)
  if not s.live[agent] then
    s.live[agent] = tonumber(redis.call('HGET', s.counts, 'a:' .. agent) or '0')
  end
  return s.live[agent]
end

function slots.total(s)
  return redis.call('ZCARD', s.leases)
end

-- Tokens a minute, as an average that forgets over a minute.
function slots.token_rate(s)
  if not s.c.rate then return 0 end
  return s.c.rate * math.exp((s.c.rate_at - s.now) / TOKEN_WINDOW_MS)
end

function slots.note_tokens(s, rate)
  s.c.rate, s.c.rate_at = rate, s.now
  redis.call('HSET', s.config, 'rate', string.format('%.3f', rate), 'rate_at', s.now)
end

-- `used` by our responses; `left` of `limit` by the API's own count, believed when it is the more
-- pessimistic (other programs may use the key too).
function slots.spend(s, used, left, limit)
  if not s.c.tpm then return end
  local rate = math.max(slots.token_rate(s) + used, left and limit - left or 0)
  if used > 0 or left then slots.note_tokens(s, rate) end
end

local function token_share(s)
  return slots.token_rate(s) / math.max(1, slots.total(s))
end

-- Of a key that was refused: 'open', nobody gets in; 'half' when that time is over, one call at a time
-- tries whether the key is taken again; nil once one was (or somebody closed it).
function slots.circuit(s)
  if not s.c.circuit_until then return nil end
  return s.c.circuit_until > s.now and 'open' or 'half'
end

local function shut(s)
  local circuit = slots.circuit(s)
  return circuit == 'open' or (circuit and (s.c.probe_until or 0) > s.now)
end

function slots.open_circuit(s, base_ms, reason)
  local circuit, c = slots.circuit(s), s.c
  if circuit == 'open' then return end -- calls that were under way meet the same refusal
  c.circuit_for = circuit and math.min(2 * (c.circuit_for or base_ms), CIRCUIT_LONGEST_MS) or base_ms
  c.circuit_until, c.circuit_reason, c.probe_until = s.now + c.circuit_for, reason, 0
  redis.call('HSET', s.config, 'circuit_until', c.circuit_until, 'circuit_reason', reason,
    'circuit_for', c.circuit_for, 'probe_until', 0)
  redis.call('HINCRBY', s.counts, 's:circuit_opened', 1)
  for _, text in ipairs(redis.call('HVALS', s.waiters)) do
    slots.hint(s, string.match(text, '^%d+|%d|%d+|[^|]*|(.*)$')) -- they overflow now, not later
  end
end

function slots.close_circuit(s)
  redis.call('HDEL', s.config, 'circuit_until', 'circuit_reason', 'circuit_for', 'probe_until')
  s.c.circuit_until = nil
end

-- Why a call of this class may not have a slot now; nil if it may.
function slots.refusal(s, agent, class)
  local limit = slots.limit(s)
  if not limit then return 'unconfigured' end
  if class > 0 and shut(s) then return 'circuit' end
  if s.held then return 'hold_off' end
  local room = limit -- a call that had its slot already is not kept out by back-off or reserve
  if class > 0 then
    local effective = slots.effective(s)
    room = math.max(math.min(1, effective), effective - (s.c['reserve' .. class] or 0))
  end
  if slots.total(s) >= room then return 'org' end
  local cap = slots.cap(s, agent)
  if cap and slots.agent_live(s, agent) >= cap then return 'agent' end
  if class > 0 and s.c.tpm and slots.token_rate(s) + token_share(s) >= s.c.tpm then
    return 'tokens'
  end
  return nil
end

-- A new lease. What such a call usually spends is pledged at once: a burst must not be admitted
-- whole before its first call has spent anything; the pledge fades as the real use comes in.
function slots.grant(s, call, lease, ttl)
  if s.c.tpm and lease.class > 0 then
    slots.note_tokens(s, slots.token_rate(s) + token_share(s))
  end
  if lease.class > 0 and s.c.circuit_until then
    s.c.probe_until = s.now + PROBE_MS
    redis.call('HSET', s.config, 'probe_until', s.c.probe_until)
  end
  lease.token = slots.next_token(s)
  lease.since = s.now
  slots.put(s, call, lease, ttl)
  redis.call('ZREM', s.gone, call)
  redis.call('HINCRBY', s.counts, 's:granted', 1)
end

local function head_of(s, agent)
  local name = redis.call('ZRANGEBYLEX', s.queue, '[' .. agent .. '|', '(' .. agent .. '}',
    'LIMIT', 0, 1)[1]
  if not name then
    redis.call('ZREM', s.ring, agent)
    return nil
  end
  local class, call = string.match(name, '^[^|]*|(%d)|%d+|(.*)$')
  return { call = call, class = tonumber(class) }
end

local function goes_before(rank, other)
  for i = 1, #rank do
    if rank[i] ~= other[i] then return rank[i] < other[i] end
  end
  return false
end

local function next_in_turn(s, heads, turns)
  local best, best_rank
  for agent, head in pairs(heads) do
    local rank = { head.class, slots.agent_live(s, agent), turns[agent], agent }
    if (not best or goes_before(rank, best_rank)) and
      not slots.refusal(s, agent, head.class) then
      best, best_rank = agent, rank
    end
  end
  return best
end

-- Free slots go to who waits, here and now: the waiter becomes a lease inside this script, so that
-- nobody can be overtaken and nobody has to race. Among agents the one with the fewest calls is
-- served first, then the one served longest ago; a capped agent is simply passed over.
function slots.promote(s)
  if s.held or redis.call('EXISTS', s.ring) == 0 then return end
  local ring, heads, turns = redis.call('ZRANGE', s.ring, 0, -1, 'WITHSCORES'), {}, {}
  for i = 1, #ring, 2 do
    heads[ring[i]] = head_of(s, ring[i])
    turns[ring[i]] = tonumber(ring[i + 1])
  end
  local agent = next_in_turn(s, heads, turns)
  while agent do
    local head = heads[agent]
    local w = slots.dequeue(s, head.call)
    if w then
      slots.grant(s, head.call, { agent = agent, holder = w.holder, class = w.class,
        adopted = false }, s.set.claim)
      slots.hint(s, w.holder)
      turns[agent] = redis.call('HINCRBY', s.config, 'turn', 1)
      redis.call('ZADD', s.ring, turns[agent], agent)
    else -- a place whose waiter is gone: drift, mended on the way
      redis.call('ZREMRANGEBYLEX', s.queue, '[' .. agent .. '|', '(' .. agent .. '|' ..
        head.class .. '}')
    end
    heads[agent] = head_of(s, agent)
    agent = next_in_turn(s, heads, turns)
  end
end

-- Gives back what is really ours and hands it on; 0 = it was not, and nothing changed for its new
-- owner. Whole, for scripts of others that end a call: `slots.release({ org = ..., seen = '' }, ...)`.
function slots.release(set, call, token)
  local s = slots.open(set)
  local own = slots.owner(s, call)
  local ours = own and own.token == token
  if ours then slots.remove(s, call) end
  if ours or not own then slots.bury(s, call) end
  slots.purge(s)
  slots.promote(s)
  slots.close(s)
  return ours and 1 or 0, s.c.genesis
end
