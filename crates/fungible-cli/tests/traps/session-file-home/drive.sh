# A token is made, used and given back. Needs curl.
set -eu
answer=$(mktemp)
ask() { curl -sS --max-time 20 -o "$answer" -w '%{http_code}' "$@"; }
trap 'rm -f "$answer"' EXIT
fail() { echo "FAILED: $1: $(cat "$answer")" >&2; exit 1; }

[ "$(ask "$BASE_URL/tokens/current" -H 'Authorization: Bearer tok_none')" = 401 ] || fail 'a made-up token is refused'
[ "$(ask "$BASE_URL/tokens" -d '{"owner": "ci", "scope": "deploy"}')" = 201 ] || fail 'a token is made'
token=$(sed 's/.*"token": "\([^"]*\)".*/\1/' "$answer")
[ "$(ask "$BASE_URL/tokens/current" -H "Authorization: Bearer $token")" = 200 ] || fail 'the token is accepted'
grep -q '"owner": "ci", "scope": "deploy"' "$answer" || fail 'the token is that of ci'
[ "$(ask "$BASE_URL/tokens/current" -X DELETE -H "Authorization: Bearer $token")" = 200 ] || fail 'the token is given back'
[ "$(ask "$BASE_URL/tokens/current" -H "Authorization: Bearer $token")" = 401 ] || fail 'the token is void'
