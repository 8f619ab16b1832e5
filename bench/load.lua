-- What wrk sends, and one line of JSON about what came back.
--
-- Arguments: the kind of load, how many entities there are, how many of them are hot, a seed, a string that the kind
-- needs. A request is put together from three strings, or taken from a table: the load shares the machine with what
-- it measures.

local HEAD = " HTTP/1.1\r\nHost: localhost\r\n\r\n"
local ENTITY = "GET /v1/state/customers/c-"
local random = math.random

-- The hot ids lie evenly over all of them, every other one odd.
local function hot_requests(entities, hot)
  local requests, stride = {}, math.floor(entities / hot)
  for k = 0, hot - 1 do
    requests[k + 1] = ENTITY .. (k * stride + k % 2) % entities .. HEAD
  end
  return requests
end

local function lines(file, make)
  local requests = {}
  for line in io.lines(file) do
    requests[#requests + 1] = make(line)
  end
  return function() return requests[random(#requests)] end
end

local kinds = {
  -- Any entity.
  uniform = function(entities)
    return function() return ENTITY .. random(0, entities - 1) .. HEAD end
  end,
  -- 90 % on the hot ones.
  skewed = function(entities, hot)
    local requests = hot_requests(entities, hot)
    return function()
      if random(10) > 1 then return requests[random(hot)] end
      return ENTITY .. random(0, entities - 1) .. HEAD
    end
  end,
  hot = function(entities, hot)
    local requests = hot_requests(entities, hot)
    return function() return requests[random(hot)] end
  end,
  -- One after the other, from the number that the string holds.
  sweep = function(entities, _, from)
    local at = tonumber(from) - 1
    return function()
      at = (at + 1) % entities
      return ENTITY .. at .. HEAD
    end
  end,
  -- The odd ones, which nobody writes, in whose order they were written; the string is the ETag of the first of all.
  unchanged = function(entities, _, etag)
    local before, first = etag:match('^(.*%.)(%d+)"$')
    local head = " HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " .. before
    return function()
      local odd = random(0, entities / 2 - 1) * 2 + 1
      return ENTITY .. odd .. head .. string.format("%d", odd + first) .. '"\r\n\r\n'
    end
  end,
  missing = function(entities)
    return function() return "GET /v1/state/customers/x-" .. random(0, entities - 1) .. HEAD end
  end,
  -- The string names a file with a target on each line.
  targets = function(_, _, file)
    return lines(file, function(target) return "GET " .. target .. HEAD end)
  end,
  webdis = function(entities)
    return function() return "GET /GET/c-" .. random(0, entities - 1) .. HEAD end
  end,
  -- The string names a file with a body on each line.
  etcd = function(_, _, file)
    return lines(file, function(body)
      return "POST /v3/kv/range HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        .. #body .. "\r\n\r\n" .. body
    end)
  end,
}

function init(args)
  math.randomseed(tonumber(args[4]))
  request = kinds[args[1]](tonumber(args[2]), tonumber(args[3]), args[5])
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"status":%d,"errors":%d,"p50":%d,"p99":%d,"p999":%d}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
