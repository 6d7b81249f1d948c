-- The semaphore's state of one org: its clock, its leases, its queue. Every slots script begins here.
--
-- Truth is `leases` (a set: giving back twice is harmless); `counts` is derived, `audit` recomputes it.
-- Time is the server's TIME made monotonic: `now` advances by what TIME advanced, never backwards and
-- never by more than a leash between two touches. A wall clock that jumps, a server that was frozen
-- and a primary that was away for a minute then expire nobody who had no chance to speak.
local slots = {}
local IDLE_MS, CONFIG_IDLE_MS = 86400000, 2592000000
local GONE_MS = 300000
local TEXTS = { genesis = true, run = true, circuit_reason = true }
local TIMES = { ttl = 15000, heartbeat = 5000, claim = 4000, waiter_ttl = 3000 }

-- settings: org, genesis last seen by the asker ('' = none yet), ttl, heartbeat, claim, waiter ttl
-- (ms; they hold until `configure` stated the fleet's, which a tool or another script need not know)
function slots.settings(argv)
  return {
    org = argv[1], seen = argv[2], ttl = tonumber(argv[3]), heartbeat = tonumber(argv[4]),
    claim = tonumber(argv[5]), waiter_ttl = tonumber(argv[6]),
  }
end

function slots.peek(set)
  local s = { set = set, org = set.org, hints = {}, cap_of = {}, live = {}, c = {} }
  for _, name in ipairs({ 'config', 'leases', 'owners', 'counts', 'queue', 'waiters', 'alive',
    'ring', 'gone', 'caps' }) do
    s[name] = 'callfleet:slots:{' .. set.org .. '}:' .. name
  end
  local time = redis.call('TIME')
  s.clock = time[1] * 1000 + math.floor(time[2] / 1000)
  local got = redis.call('HGETALL', s.config) -- bounded, and cheaper than asking for most of it
  for i = 1, #got, 2 do
    s.c[got[i]] = TEXTS[got[i]] and got[i + 1] or tonumber(got[i + 1])
  end
  s.c.genesis, s.c.run = s.c.genesis or '', s.c.run or ''
  s.c.circuit_reason = s.c.circuit_reason or ''
  for name, otherwise in pairs(TIMES) do set[name] = s.c[name] or set[name] or otherwise end
  s.c.clock = s.c.clock or s.clock
  local leash = math.max(set.heartbeat, set.ttl - 2 * set.heartbeat)
  s.step = s.clock - s.c.clock
  s.jumped = s.step < -1000 or s.step > leash
  s.now = (s.c.now or s.clock) + math.max(0, math.min(s.step, leash))
  return s
end

local function bump(s, name, by)
  redis.call('HINCRBY', s.counts, name, by)
end

function slots.run_id()
  local facts = redis.call('INFO', 'server')
  local _, at = string.find(facts, 'run_id:', 1, true)
  return string.sub(facts, at + 1, at + 40)
end

-- A state that was lost, or that another primary brings with it: nothing is granted until its
-- holders had time to speak up. The counters leap, so that no token or ticket is given out twice.
local function inherit(s)
  local run = slots.run_id()
  local c, wait = s.c, 1.5 * s.set.heartbeat
  local hold = c.hold or 0
  if c.genesis == '' then
    c.genesis, c.born = run .. ':' .. string.format('%.0f', s.clock), s.now
    redis.call('HSET', s.config, 'genesis', c.genesis, 'born', s.now, 'run', run,
      'token', s.clock, 'ticket', s.clock)
    s.created = true
  elseif run ~= c.run then
    hold = s.now + wait
    for _, name in ipairs({ 'token', 'ticket' }) do
      local last = tonumber(redis.call('HGET', s.config, name) or '0')
      redis.call('HSET', s.config, name, string.format('%.0f', math.max(last + 1000000, s.clock)))
    end
    redis.call('HSET', s.config, 'run', run)
  end
  -- The asker knew an earlier state than this one: there are holders this one does not know.
  if s.set.seen ~= '' and s.set.seen ~= c.genesis then hold = math.max(hold, c.born + wait) end
  if hold > (c.hold or 0) then
    c.hold = hold
    redis.call('HSET', s.config, 'hold', hold)
    bump(s, 's:hold_offs', 1)
  end
end

function slots.open(set)
  local s = slots.peek(set)
  local c = s.c
  inherit(s)
  if s.jumped then
    bump(s, 's:clock_jumps', 1)
    if s.now > (c.spare or 0) + set.ttl then
      c.spare = s.now + 1.5 * set.heartbeat
      redis.call('HSET', s.config, 'spare', c.spare)
    end
  end
  redis.call('HSET', s.config, 'clock', string.format('%.0f', s.clock),
    'now', string.format('%.0f', s.now))
  s.held = s.now < (c.hold or 0)
  s.sparing = s.held or s.now < (c.spare or 0)
  return s
end

function slots.owner(s, call)
  local text = redis.call('HGET', s.owners, call)
  if not text then return nil end
  local token, adopted, class, since, agent, holder =
    string.match(text, '^(%d+)|(%d)|(%d)|(%d+)|([^|]*)|(.*)$')
  return { token = tonumber(token), adopted = adopted == '1', class = tonumber(class),
    since = tonumber(since), agent = agent, holder = holder }
end

-- Of an owner's text, only what says whose it is.
function slots.held_by(text)
  if not text then return nil end
  local token, holder = string.match(text, '^(%d+)|%d|%d|%d+|[^|]*|(.*)$')
  return tonumber(token), holder
end

local function count(s, name, by)
  if redis.call('HINCRBY', s.counts, name, by) == 0 then redis.call('HDEL', s.counts, name) end
end

-- A key that was empty a moment ago has no time to live yet.
local function mark_first(s, key)
  if redis.call('ZCARD', key) == 1 then s.created = true end
end

-- lease: agent, holder, class, token, adopted, since; expires at `now + ttl`
function slots.put(s, call, lease, ttl)
  local was = slots.owner(s, call)
  if was then
    count(s, 'a:' .. was.agent, -1)
    count(s, 'h:' .. was.holder, -1)
    s.live[was.agent] = nil
  end
  redis.call('HSET', s.owners, call, string.format('%.0f|%d|%d|%.0f|%s|%s', lease.token,
    lease.adopted and 1 or 0, lease.class, lease.since or s.now, lease.agent, lease.holder))
  redis.call('ZADD', s.leases, s.now + ttl, call)
  mark_first(s, s.leases)
  count(s, 'a:' .. lease.agent, 1)
  count(s, 'h:' .. lease.holder, 1)
  s.live[lease.agent] = nil
end

function slots.remove(s, call)
  local was = slots.owner(s, call)
  redis.call('ZREM', s.leases, call)
  if not was then return end
  redis.call('HDEL', s.owners, call)
  count(s, 'a:' .. was.agent, -1)
  count(s, 'h:' .. was.holder, -1)
  s.live[was.agent] = nil
end

-- Remembered for a while, so that a late heartbeat of an old owner does not bring the call back.
function slots.bury(s, call)
  redis.call('ZADD', s.gone, s.now + GONE_MS, call)
  mark_first(s, s.gone)
end

function slots.next_token(s)
  return redis.call('HINCRBY', s.config, 'token', 1)
end

function slots.waiter(s, call)
  local text = redis.call('HGET', s.waiters, call)
  if not text then return nil end
  local ticket, class, since, agent, holder =
    string.match(text, '^(%d+)|(%d)|(%d+)|([^|]*)|(.*)$')
  return { ticket = tonumber(ticket), class = tonumber(class), since = tonumber(since),
    agent = agent, holder = holder }
end

function slots.place_name(call, w)
  return string.format('%s|%d|%016.0f|%s', w.agent, w.class, w.ticket, call)
end

function slots.enqueue(s, call, w)
  redis.call('HSET', s.waiters, call, string.format('%.0f|%d|%.0f|%s|%s', w.ticket, w.class,
    w.since, w.agent, w.holder))
  redis.call('ZADD', s.queue, 0, slots.place_name(call, w))
  redis.call('ZADD', s.alive, s.now + s.set.waiter_ttl, call)
  local turn = tonumber(redis.call('HGET', s.config, 'turn') or '0')
  redis.call('ZADD', s.ring, 'NX', turn, w.agent)
  mark_first(s, s.alive)
  mark_first(s, s.ring)
end

function slots.dequeue(s, call)
  local w = slots.waiter(s, call)
  redis.call('ZREM', s.alive, call)
  if not w then return nil end
  redis.call('HDEL', s.waiters, call)
  redis.call('ZREM', s.queue, slots.place_name(call, w))
  return w
end

-- How many of its agent's callers are served before this one, itself included.
function slots.position(s, call, w)
  return redis.call('ZLEXCOUNT', s.queue, '[' .. w.agent .. '|',
    '[' .. slots.place_name(call, w))
end

function slots.purge(s)
  if s.sparing then return end
  for _, call in ipairs(redis.call('ZRANGEBYSCORE', s.leases, '-inf', s.now)) do
    slots.remove(s, call)
    bump(s, 's:expired', 1)
  end
  for _, call in ipairs(redis.call('ZRANGEBYSCORE', s.alive, '-inf', s.now)) do
    slots.dequeue(s, call)
    bump(s, 's:abandoned', 1)
  end
  redis.call('ZREMRANGEBYSCORE', s.gone, '-inf', s.now)
end

function slots.hint(s, holder)
  s.hints[holder] = true
end

-- Last: wake whom it concerns (a hint; the state is the truth), and let idle keys expire.
function slots.close(s)
  for holder in pairs(s.hints) do
    redis.call('PUBLISH', 'callfleet:slots:hint:' .. holder, s.org)
  end
  if s.created or s.now - (s.c.touched or 0) > IDLE_MS / 24 then
    for _, name in ipairs({ 'leases', 'owners', 'queue', 'waiters', 'alive', 'ring', 'gone' }) do
      redis.call('PEXPIRE', s[name], IDLE_MS)
    end
    redis.call('PEXPIRE', s.config, CONFIG_IDLE_MS)
    redis.call('PEXPIRE', s.caps, CONFIG_IDLE_MS)
    redis.call('PEXPIRE', s.counts, CONFIG_IDLE_MS)
    redis.call('HSET', s.config, 'touched', string.format('%.0f', s.now))
  end
end
