-- Where the roster's things are, and the steps its scripts share. All keys carry one hash tag.
--   seen      ZSET  worker -> when it last announced itself, ms of the server's clock
--   cards     HASH  worker -> its card as JSON
--   reserved:<worker>  ZSET  call placed there but not yet taken -> when the place lapses
--   settled:<worker>   ZSET  call the worker has taken -> when it lapses unless announced again
--   route:<call>       STRING worker
local SEEN, CARDS = 'callfleet:{roster}:seen', 'callfleet:{roster}:cards'

local function reserved_key(worker) return 'callfleet:{roster}:reserved:' .. worker end
local function settled_key(worker) return 'callfleet:{roster}:settled:' .. worker end
local function route_key(call) return 'callfleet:{roster}:route:' .. call end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The call has no place any more; true if it had one.
local function roster_drop(call)
  local worker = redis.call('GET', route_key(call))
  if not worker then return false end
  redis.call('DEL', route_key(call))
  redis.call('ZREM', reserved_key(worker), call)
  redis.call('ZREM', settled_key(worker), call)
  return true
end
