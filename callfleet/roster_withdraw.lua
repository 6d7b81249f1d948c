-- A worker leaves. Its calls' routes stay until they lapse, and count as lost with it.
-- ARGV: worker
redis.call('ZREM', SEEN, ARGV[1])
redis.call('HDEL', CARDS, ARGV[1])
redis.call('DEL', reserved_key(ARGV[1]), settled_key(ARGV[1]))
