#!lua flags=allow-oom
-- Remove what died before ARGV[3], ARGV[4] messages at most.

local old = call('ZRANGEBYSCORE', prefix .. 'died', '-inf', '(' .. ARGV[3], 'LIMIT', 0, ARGV[4])
for _, pk in ipairs(old) do
  drop(about(pk))
end
return #old
