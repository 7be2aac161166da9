#!lua flags=allow-oom
-- Make due what waits for the buckets ARGV[3…].

local ids = {}
for place = 3, #ARGV do
  ids[#ids + 1] = ARGV[place]
end
if free(ids, time()) > 0 then
  ring()
end
return 0
