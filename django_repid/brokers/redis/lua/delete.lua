#!lua flags=allow-oom
-- Remove the buckets ARGV[3…]; return how many there were.

local removed = 0
for place = 3, #ARGV do
  removed = removed + call('DEL', prefix .. 'b:' .. ARGV[place])
  call('ZREM', prefix .. 'generated', ARGV[place])
end
return removed
