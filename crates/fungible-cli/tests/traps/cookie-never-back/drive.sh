# A smoke test as one finds it: it logs in and looks at pages, but keeps no cookies. Needs curl.
set -eu
status() { curl -sS --max-time 20 -o /dev/null -w '%{http_code}' "$@"; }
fail() { echo "FAILED: $1" >&2; exit 1; }

[ "$(status "$BASE_URL/version")" = 200 ] || fail 'the version is shown'
[ "$(status "$BASE_URL/login" -d '{"name": "ali", "password": "guess"}')" = 403 ] || fail 'a wrong password is refused'
[ "$(status "$BASE_URL/login" -d '{"name": "ali", "password": "open sesame"}')" = 200 ] || fail 'the right one is taken'
[ "$(status "$BASE_URL/me")" = 401 ] || fail 'a stranger is nobody'
