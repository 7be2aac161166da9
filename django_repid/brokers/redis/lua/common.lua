-- What the scripts share. ARGV[1]: the prefix of every key, hash-tagged. ARGV[2]: what tests have
-- travelled ahead, in microseconds.
--
-- Keys (pk: sixteen digits; head: "queue topic priority"):
--   m:<pk>          hash    a message: b body, h head, i id, s state, l lease, r run_at, d due_at,
--                           k tick, e enqueued_at, c claimed_at, w worker, t tries, x crashes,
--                           u suspicion, a cancel asked for, f waits for, y reason of its death,
--                           z schedule, g args id; n, nh, nz, nk, ng: new terms that wait
--   ids             hash    id -> pk        seq, worker_seq             counters
--   heads           set     heads that something waits in
--   ready:<head>    zset    pk by run_at                all:<queue>  zset  ready and running, by pk
--   dead:<queue>    zset    pk by pk                    died         zset  pk by time of death
--   run:<worker>    set     pks that it runs ("0": seized)   runners  set  workers with such a key
--   waits:<bucket>  set     pks that wait for it        waited       set   such buckets
--   asked           set     pks that were asked to stop
--   args            hash    args id -> how many messages refer to it
--   workers, beats  hash    worker -> who it is, its counter      paused  hash  queue -> why
--   seen            hash    worker -> when it began and beat      draining  set  workers
--   work:<minute>   hash    [queue, topic, worker] -> what was done     minutes  zset  by number
--   f:<n>           hash    a failing attempt: i its job's id, s what is said of it, t traceback;
--                           n: sixteen digits
--   recurring       set     pks of recurring messages
--   failures        zset    n by time                failed:<id>  zset  n of a job, the newest
--   done            zset    ids of results that say what they came from, by when they were stored
--   b:<id>          string  a bucket                    generated    zset  ids of args buckets
--
-- Numbers are kept as text: Lua's would turn 1700000000000000 into 1.7e+15.

local prefix, ahead = ARGV[1], tonumber(ARGV[2])
local call = redis.call
local READY, RUNNING, DEAD = '0', '1', '2'

local function whole(number)
  return string.format('%.0f', number)
end

local function time()
  local now = call('TIME')
  return whole(now[1] * 1000000 + now[2] + ahead)
end

-- The number before the first of so many new ones. They are never given out again, also where a
-- server was killed and has forgotten the last ones: they go by its clock, and only ever up.
local function numbers(counter, count)
  local now = call('TIME')
  local last = math.max(tonumber(call('GET', prefix .. counter) or '0'), now[1] * 1000000 + now[2])
  call('SET', prefix .. counter, whole(last + count))
  return last
end

-- A command with any number of values: Lua's stack holds 8000.
local function many(command, key, values)
  for first = 1, #values, 1000 do
    call(command, key, unpack(values, first, math.min(first + 999, #values)))
  end
end

local function queue_of(head)
  return string.match(head, '^%S+')
end

-- A message as one text: numbers, the reason of its death, its body.
local function show(pk)
  local m = call('HMGET', prefix .. 'm:' .. pk,
    'l', 's', 'r', 'd', 'k', 'e', 'c', 'w', 't', 'x', 'u', 'a', 'f', 'y', 'b')
  return table.concat({pk, m[1], m[2], m[3], m[4], m[5] or '-', m[6], m[7] or '-', m[8] or '-',
    m[9] or '0', m[10] or '0', m[11] or '0', m[12] or '0', m[13] or '-'}, ' ')
    .. '\n' .. (m[14] or '') .. '\n' .. m[15]
end

local function enter_ready(pk, head, run_at)
  call('ZADD', prefix .. 'ready:' .. head, run_at, pk)
  call('SADD', prefix .. 'heads', head)
end

local function forget_if_empty(head)
  if call('EXISTS', prefix .. 'ready:' .. head) == 0 then
    call('SREM', prefix .. 'heads', head)
  end
end

local function refer(args_id, by)
  if args_id and call('HINCRBY', prefix .. 'args', args_id, by) <= 0 then
    call('HDEL', prefix .. 'args', args_id)
  end
end

-- Keep account of which bucket a message waits for; false: none.
local function wait_for(pk, old, new)
  if old == new then
    return
  end
  if old then
    call('SREM', prefix .. 'waits:' .. old, pk)
    if call('EXISTS', prefix .. 'waits:' .. old) == 0 then
      call('SREM', prefix .. 'waited', old)
    end
  end
  if new then
    call('SADD', prefix .. 'waits:' .. new, pk)
    call('SADD', prefix .. 'waited', new)
  end
end

-- What has to be known of a message to take it out of the indexes.
local function about(pk)
  local m = call('HMGET', prefix .. 'm:' .. pk, 's', 'h', 'i', 'w', 'f', 'a', 'g', 'ng')
  return {pk = pk, state = m[1], head = m[2], id = m[3], worker = m[4] or '0', waits = m[5],
    asked = m[6], args = m[7], later_args = m[8]}
end

-- Out of the index of its state. `all` holds it while it is not dead.
local function leave(m)
  if m.state == READY then
    call('ZREM', prefix .. 'ready:' .. m.head, m.pk)
    forget_if_empty(m.head)
  elseif m.state == RUNNING then
    call('SREM', prefix .. 'run:' .. m.worker, m.pk)
  else
    call('ZREM', prefix .. 'dead:' .. queue_of(m.head), m.pk)
    call('ZREM', prefix .. 'died', m.pk)
  end
end

-- Everything but the message's own hash and its id.
local function detach(m)
  leave(m)
  if m.state ~= DEAD then
    call('ZREM', prefix .. 'all:' .. queue_of(m.head), m.pk)
  end
  wait_for(m.pk, m.waits, false)
  refer(m.args, -1)
  refer(m.later_args, -1)
  if m.asked then
    call('SREM', prefix .. 'asked', m.pk)
  end
end

local function drop(m)
  detach(m)
  call('DEL', prefix .. 'm:' .. m.pk)
  call('HDEL', prefix .. 'ids', m.id)
  call('SREM', prefix .. 'recurring', m.pk)
end

-- A bucket; empty texts: stored now, without an end. Redis removes it at its end by itself.
-- `listed`: it is a result that says which job it came from.
local function store_bucket(id, stored_at, ttl, generated, blob, now, listed)
  if stored_at == '' then
    stored_at = now
  end
  local key, value = prefix .. 'b:' .. id, stored_at .. ' ' .. ttl .. ' ' .. generated .. '\n' .. blob
  if ttl == '' then
    call('SET', key, value)
  else
    local ends = math.max(1, math.ceil((stored_at + ttl - ahead) / 1000))
    call('SET', key, value, 'PXAT', whole(ends))
  end
  if not listed then
    call('ZREM', prefix .. 'done', id)
  end
  if generated == '1' and ttl == '' then  -- one with an end goes by itself
    call('ZADD', prefix .. 'generated', 0, id)
  else
    call('ZREM', prefix .. 'generated', id)
  end
end

-- Make due what waits for one of these buckets; return how many messages that were.
local function free(ids, now)
  if call('EXISTS', prefix .. 'waited') == 0 then
    return 0
  end
  local freed = 0
  for _, id in ipairs(ids) do
    for _, pk in ipairs(call('SMEMBERS', prefix .. 'waits:' .. id)) do
      local m = call('HMGET', prefix .. 'm:' .. pk, 's', 'h')
      if m[1] == READY then
        call('HSET', prefix .. 'm:' .. pk, 'r', now)
        call('HDEL', prefix .. 'm:' .. pk, 'f')
        enter_ready(pk, m[2], now)
        wait_for(pk, id, false)
        freed = freed + 1
      end
    end
  end
  return freed
end

-- Results by the times they were stored at; beyond the cap the oldest are listed no more.
local DONE_CAP = 100000

local function list_done(pairs_)
  many('ZADD', prefix .. 'done', pairs_)
  local over = call('ZCARD', prefix .. 'done') - DONE_CAP
  if over > 0 then
    call('ZREMRANGEBYRANK', prefix .. 'done', 0, over - 1)
  end
end

local function forget_failures(numbers_)
  for _, n in ipairs(numbers_) do
    local key = prefix .. 'f:' .. n
    local id = call('HGET', key, 'i') or ''
    call('DEL', key)
    call('ZREM', prefix .. 'failed:' .. id, n)
    call('ZREM', prefix .. 'failures', n)
  end
end

local function forget_worker(worker)
  for _, name in ipairs({'workers', 'beats', 'seen'}) do
    call('HDEL', prefix .. name, worker)
  end
  call('SREM', prefix .. 'draining', worker)
end

local function ring()
  call('PUBLISH', prefix .. 'bell', '')
end
