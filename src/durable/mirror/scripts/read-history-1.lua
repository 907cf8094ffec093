--[[
  Reads a slice of a channel's history, only if it is whole: it begins right beside `since` and has no hole. The
  lines come joined by newlines, so that the node neither parses nor joins a thousand replies.

  KEYS[1] meta: hash {gen, …}; the history's key ({tag}:h:<gen>:<channel>) is made from it and shares its slot
  ARGV[1] channel
  ARGV[2] since, exclusive
  ARGV[3] 'up' or 'down'
  ARGV[4] most entries      ARGV[5] bytes after which no further entries are read

  Returns {gen, top, count, text}; gen '' where there is no meta, top 0 where there is no history, count 0 where
  Redis can't answer or nothing lies beyond `since`.
]]
local metaKey = KEYS[1]
local channel, since, direction = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local limit, maxBytes = tonumber(ARGV[4]), tonumber(ARGV[5])
-- Grows, so that a history of large entries is not read far beyond maxBytes.
local chunk = 16

local gen = redis.call('HGET', metaKey, 'gen')
if not gen then return { '', 0, 0, '' } end
local key = string.sub(metaKey, 1, -5) .. 'h:' .. gen .. ':' .. channel
local tail = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
if not tail[1] then return { gen, 0, 0, '' } end
local top = tonumber(string.match(tail[1][1], '^%d+'))

local function offsetOf(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local step = direction == 'up' and 1 or -1
local command, finish = 'XRANGE', '+'
if step == -1 then
  command, finish = 'XREVRANGE', '-'
end
local expected, bytes, count, lines = since + step, 0, 0, {}
while count < limit and bytes < maxBytes and expected > 0 do
  local wanted = math.min(chunk, limit - count)
  local entries = redis.call(command, key, string.format('%.0f', expected), finish, 'COUNT', wanted)
  local found = #entries
  if found == 0 then break end
  -- Ids ascend strictly, so a chunk whose ends are where they should be has no hole.
  if offsetOf(entries[1]) ~= expected or offsetOf(entries[found]) ~= expected + step * (found - 1) then
    return { gen, top, 0, '' }
  end
  for i = 1, found do
    local line = entries[i][2][2]
    lines[count + i] = line
    bytes = bytes + #line
  end
  count = count + found
  expected = expected + step * found
  if found < wanted then break end
  chunk = math.min(chunk * 2, 256)
end
return { gen, top, count, table.concat(lines, '\n') }
