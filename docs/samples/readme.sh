# What the README shows of the HTTP door. `readme.test.ts` runs it against a real service, twice, in bash and in zsh.
# #region http
url=${KEELSON_URL:-http://127.0.0.1:7717}
token=$(cat "${KEELSON_DATA_FOLDER:-.keelson}/owner.token")
call() { curl -sS --fail-with-body -H "Authorization: Bearer $token" -H "Content-Type: application/json" "$@"; }
field() { node -pe "JSON.parse(require('fs').readFileSync(0, 'utf8'))$1"; }
run=$(date +%s%N)

# A session, and in it a turn: the agent is asked to write a file. Every write carries a key that names it: sent again
# with the same key it is answered again, and nothing more happens.
session=$(call -H "Idempotency-Key: session-$run" -d '{}' "$url/v1/sessions" | field '.sessionId')
turn=$(call -H "Idempotency-Key: turn-$run" -d "{\"input\": \"write hello-$run.txt: Hello from an agent.\"}" \
  "$url/v1/sessions/$session/turns" | field '.turnId')

# The policy wants a person to see it first. Look at what waits for you.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  waiting=$(call "$url/v1/confirmations?sessionId=$session" | field '.items[0]?.confirmationId')
  if [ "$waiting" != undefined ]; then break; else sleep 0.5; fi
done
call "$url/v1/confirmations/$waiting" | field '.argumentsText'

# Approve it. Whoever comes second would get 409 with the state that won.
call -H "Idempotency-Key: decision-$run" -d '{}' "$url/v1/confirmations/$waiting/approve" | field '.status'

# Wait for the answer, and read from the journal what happened to the action.
call "$url/v1/turns/$turn?waitMillis=10000" | field '.status'
call "$url/v1/events?limit=200&stream=action:act_${waiting#cfm_}" | field '.items.map((event) => event.type).join(" ")'
# #endregion http
