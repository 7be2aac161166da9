#!lua flags=allow-oom
-- Settle what has ended, then take what is due. Allowed when memory is full: it makes room.
-- ARGV[3]: JSON, for each end [pk, "lease worker", state ("-": gone), result id, stored at, ttl, flags] and,
-- unless gone, [run_at, due_at, tick, tries, crashes, suspicion, waits for, recurs, uncancel].
-- Flags: "l", its result is to be listed; "f<time>", it was a failing attempt.
-- ARGV[4]: JSON of the request, or an empty text. Then, for each end: its result, the reason of its
-- death, its failing attempt. Returns the time, the keys of lost leases, the messages, when the
-- next one is due, and pairs of topic and queue that were not asked for.

local ends, now = cjson.decode(ARGV[3]), time()
local lost, stored = {}, {}
local gone = {ids = {}, workers = {}, queues = {}}

local function gather(into, name, value)
  local list = into[name]
  if not list then
    list = {}
    into[name] = list
  end
  list[#list + 1] = value
end

-- Write the new terms that came while an occurrence was under way.
local function take_over(key, pk, held)
  local old, new = queue_of(held.head), queue_of(held.new_head)
  call('HDEL', key, 'n', 'nh', 'nz', 'nk', 'ng', 'a', 'f', 'g')
  call('HSET', key, 'b', held.new_body, 'h', held.new_head, 'z', held.new_schedule, 'e', now)
  call('SREM', prefix .. 'asked', pk)
  wait_for(pk, held.waits, false)
  refer(held.args, -1)
  if held.later_args then
    call('HSET', key, 'g', held.later_args)
  end
  if old ~= new then
    call('ZREM', prefix .. 'all:' .. old, pk)
    call('ZADD', prefix .. 'all:' .. new, pk, pk)
  end
  held.head, held.waits, held.args = held.new_head, false, held.later_args
  held.asked, held.later_args, held.new_body = false, false, false
end

local function followed_by(e, tick)
  return {e[1], e[2], READY, e[4], e[5], e[6], e[7], tick, tick, tick, '0', '0', '0', '', '1', '1'}
end

local function remove(key, pk, held)
  call('DEL', key)
  gather(gone, 'ids', held.id)
  if held.schedule then
    call('SREM', prefix .. 'recurring', pk)
  end
  gather(gone.workers, held.worker, pk)
  gather(gone.queues, queue_of(held.head), pk)
  wait_for(pk, held.waits, false)
  refer(held.args, -1)
  refer(held.later_args, -1)
  if held.asked then
    call('SREM', prefix .. 'asked', pk)
  end
end

local function keep(key, pk, held, e, reason)
  call('SREM', prefix .. 'run:' .. held.worker, pk)
  call('HSET', key, 's', e[3], 'r', e[8], 'd', e[9], 't', e[11], 'x', e[12], 'u', e[13])
  call('HDEL', key, 'w', 'c', 'y', 'f', 'k')
  if e[10] ~= '' then
    call('HSET', key, 'k', e[10])
  end
  local waits = e[14] ~= '' and e[14]
  wait_for(pk, held.waits, waits)
  if waits then
    call('HSET', key, 'f', waits)
  end
  if e[16] == '1' then
    call('HDEL', key, 'a')
    call('SREM', prefix .. 'asked', pk)
  end
  if e[3] == DEAD then
    local queue = queue_of(held.head)
    call('HSET', key, 'y', reason)
    call('ZREM', prefix .. 'all:' .. queue, pk)
    call('ZADD', prefix .. 'dead:' .. queue, pk, pk)
    call('ZADD', prefix .. 'died', e[8], pk)
  else
    enter_ready(pk, held.head, e[8])
  end
end

local function settle(e, reason)
  local pk = e[1]
  local key = prefix .. 'm:' .. pk
  local m = call('HMGET', key, 'l', 's', 'h', 'i', 'w', 'f', 'a', 'g', 'z',
    'n', 'nh', 'nz', 'nk', 'ng')
  if m[2] ~= RUNNING or m[1] .. ' ' .. (m[5] or '0') ~= e[2] then
    return false
  end
  local held = {schedule = m[9], head = m[3], id = m[4], worker = m[5] or '0', waits = m[6], asked = m[7],
    args = m[8], new_body = m[10], new_head = m[11], new_schedule = m[12], later_args = m[14]}
  local state, recurs = e[3], e[15] == '1'
  if held.new_body and (recurs or state ~= READY) then
    local same = recurs and m[9] == held.new_schedule
    take_over(key, pk, held)
    if state ~= DEAD and not same then
      e = followed_by(e, m[13])
    end
  elseif recurs and held.asked then
    state = '-'
    e[3] = '-'
  end
  if e[3] == '-' then
    remove(key, pk, held)
  else
    keep(key, pk, held, e, reason)
  end
  return true
end

local FAILURES_CAP, OF_ONE_JOB = 10000, 20
local failures, done = {}, {}

-- The oldest go where there are too many of them, of one job or in all.
local function keep_failures()
  local last = numbers('failure_seq', #failures)
  for place, one in ipairs(failures) do
    local n = string.format('%016.0f', last + place)
    local id, said, traceback = string.match(one[2], '^([^\n]*)\n([^\n]*)\n(.*)$')
    call('HSET', prefix .. 'f:' .. n, 'i', id, 's', said, 't', traceback)
    call('ZADD', prefix .. 'failures', one[1], n)
    local mine = prefix .. 'failed:' .. id
    call('ZADD', mine, n, n)
    local over = call('ZCARD', mine) - OF_ONE_JOB
    if over > 0 then
      call('ZREMRANGEBYRANK', mine, 0, over - 1)
    end
  end
  local over = call('ZCARD', prefix .. 'failures') - FAILURES_CAP
  if over > 0 then
    forget_failures(call('ZRANGE', prefix .. 'failures', 0, over - 1))
  end
end

local text = 4
for _, e in ipairs(ends) do
  local result, reason = false, ''
  if e[4] ~= '' then
    text = text + 1
    result = ARGV[text]
  end
  if e[3] == DEAD then
    text = text + 1
    reason = ARGV[text]
  end
  local failed_at, failure = string.match(e[7], 'f(%d+)'), false
  if failed_at then
    text = text + 1
    failure = {failed_at, ARGV[text]}
  end
  local bucket, stored_at, listed = e[4], e[5], string.sub(e[7], 1, 1) == 'l'
  if not settle(e, reason) then
    lost[#lost + 1] = e[1]
  else
    if result then
      store_bucket(bucket, stored_at, e[6], '0', result, now, listed)
      stored[#stored + 1] = bucket
      if listed then
        done[#done + 1] = stored_at == '' and now or stored_at
        done[#done + 1] = bucket
      end
    end
    if failure then
      failures[#failures + 1] = failure
    end
  end
end
if #done > 0 then
  list_done(done)
end
if #failures > 0 then
  keep_failures()
end
many('HDEL', prefix .. 'ids', gone.ids)
for worker, keys in pairs(gone.workers) do
  many('SREM', prefix .. 'run:' .. worker, keys)
end
for queue, keys in pairs(gone.queues) do
  many('ZREM', prefix .. 'all:' .. queue, keys)
end
if free(stored, now) > 0 then
  ring()
end
if ARGV[4] == '' then
  return {now, lost}
end

-- {"worker", "turn", "wants": [[limit, [topic, …]], …], "queues": [..] or null, "excluded": [..]}
local request = cjson.decode(ARGV[4])

local function set_of(list)
  local found = {}
  for _, name in ipairs(list) do
    found[name] = true
  end
  return found
end

local only = request.queues ~= cjson.null and set_of(request.queues)
local excluded, paused = set_of(request.excluded), set_of(call('HKEYS', prefix .. 'paused'))
local wants, asked = {}, {}
for place, want in ipairs(request.wants) do
  wants[place] = {limit = want[1], topics = set_of(want[2]), queues = {}, names = {}}
  for _, topic in ipairs(want[2]) do
    asked[topic] = true
  end
end

local others, heads = {}, {}
for _, name in ipairs(call('SMEMBERS', prefix .. 'heads')) do
  local queue, topic, priority = string.match(name, '^(%S+) (%S+) (%S+)$')
  if (not only or only[queue]) and not excluded[queue] and not paused[queue] then
    if asked[topic] then
      heads[#heads + 1] = {name = name, queue = queue, topic = topic, priority = tonumber(priority)}
    else
      others[#others + 1] = topic
      others[#others + 1] = queue
    end
  end
end
table.sort(heads, function(one, other)
  if one.priority ~= other.priority then
    return one.priority > other.priority
  end
  return one.name < other.name
end)

-- The best of a queue for one want, in order: of each priority, what became due first.
local function best(mine, limit)
  local found, place = {}, 1
  while place <= #mine and #found < limit do
    local priority, due, count = mine[place].priority, {}, 0
    while place <= #mine and mine[place].priority == priority do
      local head = mine[place]
      local range = call('ZRANGEBYSCORE', prefix .. 'ready:' .. head.name, '-inf', now,
        'WITHSCORES', 'LIMIT', 0, limit - #found)
      for item = 1, #range, 2 do
        due[#due + 1] = {range[item], tonumber(range[item + 1]), head.name}
      end
      count, place = count + 1, place + 1
    end
    if count > 1 then
      table.sort(due, function(one, other)
        if one[2] ~= other[2] then
          return one[2] < other[2]
        end
        return one[1] < other[1]
      end)
    end
    for item = 1, math.min(#due, limit - #found) do
      found[#found + 1] = due[item]
    end
  end
  return found
end

-- The queues in turns, each time another one first.
local function in_turns(lists, limit)
  local chosen, round, more = {}, 1, true
  while more and #chosen < limit do
    more = false
    for place = 0, #lists - 1 do
      local item = lists[(place + request.turn) % #lists + 1][round]
      if item and #chosen < limit then
        chosen[#chosen + 1] = item
        more = true
      end
    end
    round = round + 1
  end
  return chosen
end

local taken, keys = {}, {}
for _, want in ipairs(wants) do
  for _, head in ipairs(heads) do
    if want.topics[head.topic] then
      if not want.queues[head.queue] then
        want.queues[head.queue] = {}
        want.names[#want.names + 1] = head.queue
      end
      table.insert(want.queues[head.queue], head)
    end
  end
  table.sort(want.names)
  local lists = {}
  for _, name in ipairs(want.names) do
    local list = best(want.queues[name], want.limit)
    if #list > 0 then
      lists[#lists + 1] = list
    end
  end
  local from = {}
  for _, item in ipairs(in_turns(lists, want.limit)) do
    local pk, key = item[1], prefix .. 'm:' .. item[1]
    call('HINCRBY', key, 'l', 1)
    call('HSET', key, 's', RUNNING, 'w', request.worker, 'c', now)
    gather(from, item[3], pk)
    keys[#keys + 1] = pk
    taken[#taken + 1] = show(pk)
  end
  for name, some in pairs(from) do
    many('ZREM', prefix .. 'ready:' .. name, some)
    forget_if_empty(name)
  end
end
if #keys > 0 then
  many('SADD', prefix .. 'run:' .. request.worker, keys)
  call('SADD', prefix .. 'runners', request.worker)
end

local next_due = false
for _, head in ipairs(heads) do
  local first = call('ZRANGE', prefix .. 'ready:' .. head.name, 0, 0, 'WITHSCORES')
  local score = tonumber(first[2])
  if score and score > tonumber(now) and (not next_due or score < next_due) then
    next_due = score
  end
end
return {now, lost, taken, next_due and whole(next_due) or '', others}
