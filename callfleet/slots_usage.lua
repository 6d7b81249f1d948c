-- Reads only. Answer: {name, value}* of the org, {name, value}* of `counts`,
-- {agent, waiting, oldest wait}*, {layer, agent, cap}*
local s = slots.peek(slots.settings(ARGV))
local c = s.c
local run = slots.run_id()
local held = s.now < (c.hold or 0) or (c.genesis ~= '' and run ~= c.run)
local oldest, oldest_of = 0, {}
local waiting = {}
for _, text in ipairs(redis.call('HVALS', s.waiters)) do
  local since, agent = string.match(text, '^%d+|%d|(%d+)|([^|]*)|')
  waiting[agent] = (waiting[agent] or 0) + 1
  local waited = math.max(0, s.now - tonumber(since))
  oldest, oldest_of[agent] = math.max(oldest, waited), math.max(oldest_of[agent] or 0, waited)
end
local queues = {}
for agent, number in pairs(waiting) do 
  queues[#queues + 1] = { agent, number, math.floor(oldest_of[agent]) }
end
local caps = {}
local known = redis.call('HGETALL', s.caps)
for i = 1, #known, 2 do
  local layer, agent = string.match(known[i], '^(%a+):(.*)$')
  if layer then caps[#caps + 1] = { layer, agent, known[i + 1] } end
end
local org = {
  'limit', slots.limit(s) or -1, 'file_limit', c.file or -1, 'set_limit', c.set or -1,
  'effective', slots.effective(s) or -1, 'live', slots.total(s),
  'oldest_wait_ms', math.floor(oldest), 'max_waiting', c.max_waiting or 0,
  'hold_ms', held and math.ceil(math.max(1, (c.hold or 0) - s.now)) or 0,
  'circuit_ms', math.ceil(math.max(0, (c.circuit_until or 0) - s.now)),
  'circuit', slots.circuit(s) or '', 'circuit_reason', c.circuit_reason, 'tpm', c.tpm or -1,
  'token_rate', math.floor(slots.token_rate(s)),
}
return { org, redis.call('HGETALL', s.counts), queues, caps }
