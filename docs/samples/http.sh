# What docs/http.md shows. `http.test.ts` runs it against a real service, with `bash -eu`.
# #region setup
url=${KEELSON_URL:-http://127.0.0.1:7717}
token=$(cat "${KEELSON_DATA_FOLDER:-.keelson}/owner.token")
call() { curl -sS -H "Authorization: Bearer $token" -H "Content-Type: application/json" "$@"; }
field() { node -pe "JSON.parse(require('fs').readFileSync(0, 'utf8'))$1"; }
run=$(date +%s%N)

call "$url/v1/whoami"
# #endregion setup
echo
# #region session
call -i -H "Idempotency-Key: 1f0c-$run" -d '{"title": "Tidy up"}' "$url/v1/sessions"
# #endregion session
echo
# #region again
call -i -H "Idempotency-Key: 1f0c-$run" -d '{"title": "Tidy up"}' "$url/v1/sessions"
# #endregion again
echo
# #region other
call -i -H "Idempotency-Key: 1f0c-$run" -d '{"title": "Something else"}' "$url/v1/sessions"
# #endregion other
echo
# #region turn
session=$(call "$url/v1/sessions?status=Open&limit=1" | field '.items[0].sessionId')
turn=$(call -H "Idempotency-Key: 2a7e-$run" -d '{"input": "write list.txt: bread\nread list.txt"}' \
  "$url/v1/sessions/$session/turns" | field .turnId)
# #endregion turn
# #region look
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  asked=$(call "$url/v1/confirmations?sessionId=$session" | field '.items[0]?.confirmationId')
  if [ "$asked" != undefined ]; then break; else sleep 0.5; fi
done
call "$url/v1/confirmations/$asked" | field .argumentsText
# #endregion look
# #region approve
call -H "Idempotency-Key: 3c51-$run" -d '{"arguments": {"path": "list.txt", "content": "bread, milk", "mode": "create"}}' \
  "$url/v1/confirmations/$asked/approve" | field .status

# Too late: somebody decided already.
call -H "Idempotency-Key: 4d90-$run" -d '{"reason": "no"}' "$url/v1/confirmations/$asked/deny" | field .code
# #endregion approve
# #region wait
call "$url/v1/turns/$turn?waitMillis=20000" | field .status
call "$url/v1/actions?sessionId=$session" | field ".items.map((action) => action.tool + ' ' + action.status).join('\n')"
# #endregion wait
# #region propose
action=$(call -H "Idempotency-Key: 5e08-$run" -d '{"tool": "file.read", "arguments": {"path": "list.txt"}}' \
  "$url/v1/sessions/$session/actions" | field .actionId)
call "$url/v1/actions/$action?waitMillis=20000" | field .output.text
# #endregion propose
# #region events
call "$url/v1/events?stream=action:$action" | field ".items.map((event) => event.position + ' ' + event.type).join('\n')"
call "$url/v1/counters"
# #endregion events
echo
# #region erase
call -X POST -H "Idempotency-Key: 6b33-$run" "$url/v1/sessions/$session/erase" | field .status
call "$url/v1/turns/$turn" | field .input.redacted
# #endregion erase
