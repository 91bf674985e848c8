# What the README shows of the HTTP door. `readme.test.ts` runs it against a real service.
# #region http
url=${KEELSON_URL:-http://127.0.0.1:7717}
token=$(cat "${KEELSON_DATA_FOLDER:-.keelson}/owner.token")
call() { curl -sS -H "Authorization: Bearer $token" -H "Content-Type: application/json" "$@"; }
field() { node -pe "JSON.parse(require('fs').readFileSync(0, 'utf8'))$1"; }

# A session, and in it a turn: the agent is asked to write a file. Every write carries a key, so it may be repeated.
session=$(call -H "Idempotency-Key: my-session" -d '{}' "$url/v1/sessions" | field .sessionId)
turn=$(call -H "Idempotency-Key: my-turn" -d '{"input": "write hello.txt: Hello from an agent."}' \
  "$url/v1/sessions/$session/turns" | field .turnId)

# The policy wants a person to see it first. Wait until something waits for you, and look at it.
until waiting=$(call "$url/v1/confirmations?sessionId=$session" | field .items[0].confirmationId 2>/dev/null); do :; done
call "$url/v1/confirmations/$waiting" | field .argumentsText

# Approve it. Whoever comes second would get 409 with the state that won.
call -H "Idempotency-Key: my-decision" -d '{}' "$url/v1/confirmations/$waiting/approve" | field .status

# Wait for the turn's answer, and read what happened from the journal.
call "$url/v1/turns/$turn?waitMillis=10000" | field .status
call "$url/v1/events?limit=100" | field ".items.map((event) => event.type).join(' ')"
# #endregion http
