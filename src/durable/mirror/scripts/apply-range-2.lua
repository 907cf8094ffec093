--[[
  Applies a range of the ledger to one partition's mirror: the entries are all events that survive in [from, to],
  in the order of their positions. What the mirror has already is skipped, so a repeated call changes nothing.
  Everything is checked before the first write, because a script has no rollback.

  KEYS[1] meta: hash {gen, last, top, floor}; `top` is the position of the log's last entry (0: none yet)
  KEYS[2] log: stream of the partition, entry id <position>-0
  ARGV[1] from      ARGV[2] to
  ARGV[3] entries the log keeps
  ARGV[4] entries a history keeps; 0: histories are not written now
  ARGV[5] milliseconds a history lives after its last write
  ARGV[6] milliseconds meta and log live after their last write
  ARGV[7] 'lines': publish each event to its channel; 'notice': tell the partition that it has moved; 'none'
  ARGV[8] traced entries, as `position:traceparent` with blanks between; as a rule empty
  ARGV[9…] for each entry: position, channel, offset, line

  The histories' keys ({tag}:h:<gen>:<channel>) are made from meta's, since they follow from `gen`; they share
  its hash tag and so its slot. Whatever is announced to channels, {tag}:news says the new last position to those who
  read the log.

  Returns {code, last, gen}:
    applied   the mirror's `last` is at least `to`
    refused   `from` lies above last + 1
    unseeded  there is no meta
    lost      the log's end is not where meta says: entries were deleted; seed again, replacing `gen`
]]
local metaKey, logKey = KEYS[1], KEYS[2]
local from, to = tonumber(ARGV[1]), tonumber(ARGV[2])
local logSize, historySize = ARGV[3], tonumber(ARGV[4])
local historyTtlMs, keyTtlMs = ARGV[5], ARGV[6]
local announce = ARGV[7]
local firstEntry, entryWidth = 9, 4
local prefix = string.sub(metaKey, 1, -5)

local function lastId(key)
  local tail = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  return tail[1] and tonumber(string.match(tail[1][1], '^%d+')) or 0
end

local meta = redis.call('HMGET', metaKey, 'last', 'gen', 'top')
local last, gen, top = tonumber(meta[1] or ''), meta[2], tonumber(meta[3] or '')
if not (last and gen and top) then return { 'unseeded', 0, gen or '' } end

local logTop = lastId(logKey)
if logTop < top then return { 'lost', last, gen } end
if from > last + 1 then return { 'refused', last, gen } end
if to <= last then return { 'applied', last, gen } end

local traces
if ARGV[8] ~= '' then
  traces = {}
  for position, trace in string.gmatch(ARGV[8], '(%d+):(%S+)') do traces[position] = trace end
end

-- The new entries of each channel, by the index of their first argument.
local channels, groups, tops = {}, {}, {}
for i = firstEntry, #ARGV, entryWidth do
  if tonumber(ARGV[i]) > last then
    local channel = ARGV[i + 1]
    local group = groups[channel]
    if not group then
      group = {}
      groups[channel] = group
      channels[#channels + 1] = channel
      if historySize > 0 then tops[channel] = lastId(prefix .. 'h:' .. gen .. ':' .. channel) end
    end
    group[#group + 1] = i
  end
end

for i = firstEntry, #ARGV, entryWidth do
  local position = tonumber(ARGV[i])
  if position > last and position > logTop then
    local id, trace = ARGV[i] .. '-0', traces and traces[ARGV[i]]
    if trace then
      redis.call('XADD', logKey, id, 'c', ARGV[i + 1], 'o', ARGV[i + 2], 'l', ARGV[i + 3], 't', trace)
    else
      redis.call('XADD', logKey, id, 'c', ARGV[i + 1], 'o', ARGV[i + 2], 'l', ARGV[i + 3])
    end
    top = position
  end
end
if logTop > top then top = logTop end
if redis.call('XTRIM', logKey, 'MAXLEN', '=', logSize) > 0 then
  local first = redis.call('XRANGE', logKey, '-', '+', 'COUNT', 1)
  redis.call('HSET', metaKey, 'floor', string.match(first[1][1], '^%d+'))
end
redis.call('HSET', metaKey, 'last', ARGV[2], 'top', string.format('%.0f', top))
redis.call('PEXPIRE', metaKey, keyTtlMs)
redis.call('PEXPIRE', logKey, keyTtlMs)

if historySize > 0 then
  for _, channel in ipairs(channels) do
    local key = prefix .. 'h:' .. gen .. ':' .. channel
    local known = tops[channel]
    for _, i in ipairs(groups[channel]) do
      local offset = tonumber(ARGV[i + 2])
      if offset > known then
        -- A history has no holes: where something is missing in between, it starts anew.
        if known > 0 and offset ~= known + 1 then redis.call('DEL', key) end
        redis.call('XADD', key, ARGV[i + 2] .. '-0', 'l', ARGV[i + 3])
        known = offset
      end
    end
    redis.call('XTRIM', key, 'MAXLEN', '=', historySize)
    redis.call('PEXPIRE', key, historyTtlMs)
  end
end

if announce == 'lines' then
  for _, channel in ipairs(channels) do
    local group = groups[channel]
    local n = 1
    while n <= #group do
      local first, lines, traced = ARGV[group[n] + 2], {}, {}
      local offset = tonumber(first)
      while n <= #group and tonumber(ARGV[group[n] + 2]) == offset + #lines do
        lines[#lines + 1] = ARGV[group[n] + 3]
        local trace = traces and traces[ARGV[group[n]]]
        if trace then traced[#traced + 1] = ARGV[group[n] + 2] .. ':' .. trace end
        n = n + 1
      end
      local head = '1 ' .. first .. ' ' .. #lines
      if #traced > 0 then head = head .. ' ' .. table.concat(traced, ',') end
      redis.call('PUBLISH', prefix .. 'c:' .. channel, head .. '\n' .. table.concat(lines, '\n'))
    end
  end
elseif announce == 'notice' then
  redis.call('PUBLISH', prefix .. 'notice', ARGV[2])
end
redis.call('PUBLISH', prefix .. 'news', ARGV[2])
return { 'applied', to, gen }
