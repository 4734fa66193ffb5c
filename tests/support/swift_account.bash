# For scripts that ask a Swift of deploy/swift-all-in-one (TempAuth) by curl.
#
#   log_in AUTH_URL    sets token, and account: its URL

log_in() {
  local answer
  answer=$(curl -sf -m 20 -D - -o /dev/null -H "X-Auth-User: test:tester" -H "X-Auth-Key: testing" "$1" | tr -d '\r')
  token=$(awk 'tolower($1) == "x-auth-token:" { print $2 }' <<<"$answer")
  account=$(awk 'tolower($1) == "x-storage-url:" { print $2 }' <<<"$answer")
}
