#!lua flags=allow-oom
-- Remove what waits or is dead in a queue. ARGV[3]: the queue. ARGV[4]: how many at most.

local queue, limit, removed = ARGV[3], tonumber(ARGV[4]), 0

local function remove_from(index)
  if removed < limit then
    for _, pk in ipairs(call('ZRANGE', index, 0, limit - removed - 1)) do
      drop(about(pk))
      removed = removed + 1
    end
  end
end

for _, head in ipairs(call('SMEMBERS', prefix .. 'heads')) do
  if queue_of(head) == queue then
    remove_from(prefix .. 'ready:' .. head)
  end
end
remove_from(prefix .. 'dead:' .. queue)
return removed
