#!/bin/sh
# The to-do list's traffic: register, log in, add, tick, look at the list and the page, share it, log out.
set -e
jar=$(mktemp)
trap 'rm -f "$jar" "$jar.copy"' EXIT
ask() { curl --silent --show-error --fail --output /dev/null --cookie "$jar" --cookie-jar "$jar" -H 'Content-Type: application/json' "$@"; }
who='{"name":"anna","password":"correct horse battery"}'
task=00000000-0000-4000-8000-0000000000a1
ask "$BASE_URL/api/register" --data "$who"
ask "$BASE_URL/api/login" --data "$who"
ask "$BASE_URL/api/tasks" --next --silent --fail --output /dev/null --cookie "$jar" "$BASE_URL/"
ask --request PUT "$BASE_URL/api/tasks/$task" --data '{"title":"buy socks"}'
ask --request PATCH "$BASE_URL/api/tasks/$task" --data '{"done":true}'
ask "$BASE_URL/api/tasks"
# Whoever has the link needs no login.
list=$(curl --silent --fail --cookie "$jar" --request PUT "$BASE_URL/api/links/$task" | sed 's/.*"url":"\([^"]*\)".*/\1/')
curl --silent --fail --output /dev/null -H 'Content-Type: application/json' "$list" --data '{"title":"buy shoes","order":5}'
curl --silent --fail --output /dev/null "$list"
ask --request DELETE "$BASE_URL/api/links/$task"
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$list")" = 404 ]
# The log-out takes the cookie away: who kept a copy is not let in with it either.
cp "$jar" "$jar.copy"
ask --request POST "$BASE_URL/api/logout"
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' --cookie "$jar.copy" "$BASE_URL/api/me")" = 401 ]
