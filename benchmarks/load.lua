-- For wrk: one request again and again, or each with the next token of a file. Every answer is compared with the
-- expected one, status and body. Arguments: METHOD BODY-FILE STATUS ANSWER-FILE [TOKENS-FILE OFFSET]
local status_wanted, answer_wanted
local threads = {}
wrong = 0

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrk.method = args[1]
  local body = read(args[2])
  if body ~= "" then wrk.body = body end
  status_wanted, answer_wanted = tonumber(args[3]), read(args[4])
  if args[5] then
    -- Put together before the first is sent: what the generator does meanwhile must not count as the server's time.
    local requests, position = {}, tonumber(args[6])
    for line in io.lines(args[5]) do
      wrk.headers["Authorization"] = "Bearer " .. line
      table.insert(requests, wrk.format())
    end
    request = function()
      position = position % #requests + 1
      return requests[position]
    end
  else
    local fixed = wrk.format()
    request = function() return fixed end
  end
end

function response(status, _, body)
  if status ~= status_wanted or body ~= answer_wanted then wrong = wrong + 1 end
end

function done(summary, latency, _)
  local wrongs = 0
  for _, thread in ipairs(threads) do wrongs = wrongs + thread:get("wrong") end
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('\n{"requests": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, "wrong": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), wrongs + broken))
end
