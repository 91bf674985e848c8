#!/usr/bin/env bash
# What docs/operations.md shows, in order.

# #region numbers
url=${KEELSON_URL:-http://127.0.0.1:7717}
data=${KEELSON_DATA_FOLDER:-.keelson}
token=$(cat "$data/owner.token")

curl -sS -H "Authorization: Bearer $token" "$url/metrics" |
  grep -E '^(halted|streams_isolated|process_down|dispatcher_lag_events|confirmations_pending)'
# #endregion numbers

# #region trace
session=$(curl -sS -X POST -H "Authorization: Bearer $token" -H "Idempotency-Key: op-$(date +%s%N)" \
  -H "Content-Type: application/json" -d '{}' "$url/v1/sessions" |
  node -pe 'JSON.parse(require("fs").readFileSync(0, "utf8")).sessionId')
trace=$(curl -sS -H "Authorization: Bearer $token" "$url/v1/events?stream=session:$session" |
  node -pe 'JSON.parse(require("fs").readFileSync(0, "utf8")).items[0].traceparent.split("-")[1]')

# Spans are written once a second.
until grep -qs "$trace.*\"name\":\"POST\"" "$data"/traces/trace*.jsonl; do sleep 0.2; done
grep -h "$trace" "$data"/traces/trace*.jsonl | node -e '
  for (const line of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
    const span = JSON.parse(line).resourceSpans[0].scopeSpans[0].spans[0]
    const millis = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6
    console.log(millis.toFixed(1).padStart(8), "ms", span.name)
  }'
# #endregion trace
