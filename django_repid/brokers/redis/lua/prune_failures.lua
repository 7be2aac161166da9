#!lua flags=allow-oom
-- Remove failing attempts from before ARGV[3], ARGV[4] at most.

local old = call('ZRANGEBYSCORE', prefix .. 'failures', '-inf', '(' .. ARGV[3], 'LIMIT', 0, ARGV[4])
forget_failures(old)
return #old
