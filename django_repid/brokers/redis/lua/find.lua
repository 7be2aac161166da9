#!lua flags=no-writes
-- Look at messages. ARGV[3…]: their ids.

local found = {}
for place = 3, #ARGV do
  local pk = call('HGET', prefix .. 'ids', ARGV[place])
  if pk then
    found[#found + 1] = show(pk)
  end
end
return found
