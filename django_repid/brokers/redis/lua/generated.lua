#!lua flags=allow-oom
-- Args buckets under generated ids, in the order of those. ARGV[3]: stored before. ARGV[4]: the id
-- after which to begin. ARGV[5]: how many to look at. Returns where to go on ('' at the end), and
-- ids. What Redis has removed meanwhile is forgotten.

local from = ARGV[4] == '' and '-' or '(' .. ARGV[4]
local ids = call('ZRANGEBYLEX', prefix .. 'generated', from, '+', 'LIMIT', 0, ARGV[5])
local found, last = {}, ''
for _, id in ipairs(ids) do
  -- Its beginning alone: what it holds may be large.
  local stored_at = string.match(call('GETRANGE', prefix .. 'b:' .. id, 0, 19), '^%d+')
  last = id
  if not stored_at then
    call('ZREM', prefix .. 'generated', id)
  elseif tonumber(stored_at) < tonumber(ARGV[3]) then
    found[#found + 1] = id
  end
end
return {#ids < tonumber(ARGV[5]) and '' or last, found}
