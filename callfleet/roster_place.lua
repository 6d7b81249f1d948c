-- Find a call its worker, or choose one and hold the place, in one step.
-- ARGV: call, seed, alive for ms, reservation ms, policy, zone, avoided worker...
-- Answer: worker and card, or nothing.
local call, seed, policy, zone = ARGV[1], tonumber(ARGV[2]), ARGV[5], ARGV[6]
local alive_ms, reserve_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()
local avoided = {}
for i = 7, #ARGV do avoided[ARGV[i]] = true end

local function is_alive(worker)
  local seen = redis.call('ZSCORE', SEEN, worker)
  return seen and tonumber(seen) >= now - alive_ms
end

local function card_of(worker)
  local text = redis.call('HGET', CARDS, worker)
  if text then return cjson.decode(text), text end
end

-- Calls on the worker and on their way to it. What it said of itself may be a second old, and what
-- is written here may have been lost: the larger figure counts, so neither can overfill it.
local function load_of(worker, card)
  redis.call('ZREMRANGEBYSCORE', reserved_key(worker), '-inf', now)
  redis.call('ZREMRANGEBYSCORE', settled_key(worker), '-inf', now)
  local settled = redis.call('ZCARD', settled_key(worker))
  return redis.call('ZCARD', reserved_key(worker)) + math.max(settled, card.live)
end

local function reserve(worker)
  redis.call('ZADD', reserved_key(worker), now + reserve_ms, call)
  redis.call('PEXPIRE', reserved_key(worker), reserve_ms)
  redis.call('SET', route_key(call), worker, 'PX', reserve_ms)
end

-- Sticky: a living worker keeps its call, drained or full as it may be.
local held = redis.call('GET', route_key(call))
if held then
  if is_alive(held) and not avoided[held] then
    local _, text = card_of(held)
    if text then
      if not redis.call('ZSCORE', settled_key(held), call) then reserve(held) end
      return {held, text}
    end
  end
  roster_drop(call)
end

local function share_of(worker)
  if avoided[worker] then return nil end
  local card, text = card_of(worker)
  if not card or card.draining then return nil end
  local load = load_of(worker, card)
  if load >= card.capacity then return nil end
  return load / card.capacity, text, zone ~= '' and card.zone == zone
end

-- `spread`: the emptier of the first two workers with room that chance meets, so that placers with
-- the same figures do not all run to the same worker. `pack`: the fullest with room, so that the
-- others empty and can go. A worker of our own zone, if any has room, before all others.
local alive = redis.call('ZRANGEBYSCORE', SEEN, now - alive_ms, '+inf')
math.randomseed(seed)
local best, best_share, best_text, best_near
local met, near_met = 0, 0
for i = 1, #alive do
  local j = math.random(i, #alive)
  alive[i], alive[j] = alive[j], alive[i]
  local share, text, near = share_of(alive[i])
  if share then
    met = met + 1
    if near then near_met = near_met + 1 end
    local better = not best or (near and not best_near)
    if best and near == best_near then
      if policy == 'pack' then better = share > best_share else better = share < best_share end
    end
    if better and (near or not best_near) then
      best, best_share, best_text, best_near = alive[i], share, text, near
    end
  end
  if policy ~= 'pack' and (near_met >= 2 or (zone == '' and met >= 2)) then break end
end
if not best then return false end
reserve(best)
return {best, best_text}
