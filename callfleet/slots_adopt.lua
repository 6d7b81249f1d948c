-- ARGV: call, agent, holder, live (1: its session is open already, it was admitted without us)
-- Answer: lease (token, holder, agent) | full (scope). The slot is the call's: it is never counted
-- twice, and never has to be won again while its lease lives.
local s = slots.open(slots.settings(ARGV))
local call, agent, holder = ARGV[7], ARGV[8], ARGV[9]
local own = slots.owner(s, call)
local answer
if own then
  if own.holder ~= holder then slots.hint(s, own.holder) end
  own.token, own.holder, own.adopted = slots.next_token(s), holder, true
  slots.put(s, call, own, s.set.ttl)
  answer = { 'lease', s.c.genesis, own.token, holder, own.agent }
else
  slots.dequeue(s, call)
  slots.purge(s)
  local no = slots.refusal(s, agent, 0)
  -- It was admitted before the state was lost, or while nobody could be asked.
  if no == 'hold_off' or (no and no ~= 'unconfigured' and ARGV[10] == '1') then
    redis.call('HINCRBY', s.counts, 's:reasserted', 1)
    no = nil
  end
  if no then
    answer = { 'full', s.c.genesis, no }
  else
    local lease = { agent = agent, holder = holder, class = 0, adopted = true }
    slots.grant(s, call, lease, s.set.ttl)
    answer = { 'lease', s.c.genesis, lease.token, holder, agent }
  end
end
slots.purge(s)
slots.promote(s)
slots.close(s)
return answer
