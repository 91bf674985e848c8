# What docs/events.md shows. `events.test.ts` runs it against a real service, with `bash -eu`.
# #region setup
url=${KEELSON_URL:-http://127.0.0.1:7717}
token=$(cat "${KEELSON_DATA_FOLDER:-.keelson}/owner.token")
call() { curl -sS -H "Authorization: Bearer $token" -H "Content-Type: application/json" "$@"; }
field() { node -pe "JSON.parse(require('fs').readFileSync(0, 'utf8'))$1"; }
run=$(date +%s%N)

session=$(call -X POST -H "Idempotency-Key: open-$run" "$url/v1/sessions" | field .sessionId)
touch_session() { call -X POST -H "Idempotency-Key: $1-$run" "$url/v1/sessions/$session/touch" | field .status; }
touch_session first
# #endregion setup
# #region wire
# Follows in a process of its own, which is read on descriptor 3, until `leave`.
follow() { exec 3< <(exec curl -sSN -H "Authorization: Bearer $token" "$@") && follower=$!; }
leave() { exec 3<&- && kill "$follower" 2> /dev/null || true; }

follow "$url/v1/events/stream?after=0&sessionId=$session"
sed '/session\.touched/q' <&3
leave
# #endregion wire
echo "--"
# #region take
last=0
take() {
  local left=$1 line id="" event=message data=""
  follow -H "Last-Event-ID: $last" "$url/v1/events/stream?sessionId=$session"
  while [ "$left" -gt 0 ] && read -r line; do
    case $line in
      "id: "*) id=${line#id: } ;;
      "event: "*) event=${line#event: } ;;
      "data: "*) data=${line#data: } ;;
      "") # It is whole: only now it counts.
        last=$id
        if [ "$event" = end ]; then echo "ended: $data" && break; fi
        if [ "$event" = message ]; then
          echo "$id $(field .type <<< "$data")"
          left=$((left - 1))
        fi
        event=message ;;
    esac
  done <&3
  leave
}

take 1
# #endregion take
# #region resume
touch_session second
take 2
# #endregion resume
# #region beyond
call "$url/v1/events/stream?after=9007199254740991" | field .detail
# #endregion beyond
