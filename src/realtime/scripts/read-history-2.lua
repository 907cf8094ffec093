-- Reads a channel's position and a part of its short history in one consistent look. A channel without a numbering
-- gets one, so that a subscriber of an empty channel already has an epoch.
--
-- KEYS[1] history: stream of encoded publications, entry id '<offset>-0', field 'p'
-- KEYS[2] meta: hash; 'epoch' names this life of the numbering, 'offset' is its head, 'run' the run of the server
--         that it was made on
-- ARGV    newEpoch, metaTtlMs, direction ('forward' | 'reverse'), since (exclusive; negative: from the end in
--         reverse, from the start forward), limit (0: position only); run: the present run of the server ('?': ask
--         it, '': not known)
-- RETURN  {epoch, head, entries}; entries as XRANGE has them
local history, meta = KEYS[1], KEYS[2]
local newEpoch, metaTtlMs, direction, since, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local run = ARGV[6]

-- A server that was started again, or another one that took over, may know less than clients have seen: the same
-- number could then stand for two publications. So each run of a server begins a new life.
if run == '?' then run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '' end
local place = redis.call('HMGET', meta, 'epoch', 'offset', 'run')
local epoch, head = place[1], tonumber(place[2] or '0')
if epoch and run ~= '' and place[3] and place[3] ~= run then
  redis.call('DEL', meta)
  epoch = false
end
if not epoch then
  epoch, head = newEpoch, 0
  -- A stream of an older life may have outlived its meta; a place that is left empty would make it look like this one's.
  redis.call('DEL', history)
  redis.call('HSET', meta, 'epoch', epoch, 'offset', 0)
  place[3] = false
end
if run ~= '' and not place[3] then redis.call('HSET', meta, 'run', run) end
redis.call('PEXPIRE', meta, metaTtlMs)
-- Where a node of an older release has begun this life, it has left the stream of the one before.
if limit == 0 or head == 0 then return { epoch, head, {} } end

local entries
if direction == 'forward' then
  local from = since < 0 and '-' or string.format('%.0f', since + 1)
  entries = redis.call('XRANGE', history, from, '+', 'COUNT', limit)
else
  local from = '+'
  if since >= 0 then
    if since <= 1 then return { epoch, head, {} } end
    from = string.format('%.0f', since - 1)
  end
  entries = redis.call('XREVRANGE', history, from, '-', 'COUNT', limit)
end
return { epoch, head, entries }
