#!/bin/sh
# The online store's traffic: browse, fill a cart as a guest, register, order, wait for the receipt, have a card refused,
# look at the pages, come as an API client, log out.
set -e
jar=$(mktemp)
trap 'rm -f "$jar"' EXIT
json='Content-Type: application/json'
ask() { curl --silent --show-error --fail --cookie "$jar" --cookie-jar "$jar" -H "$json" "$@"; }
status() { curl --silent --output /dev/null --write-out '%{http_code}' --cookie "$jar" --cookie-jar "$jar" -H "$json" "$@"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
who='{"name":"anna","password":"correct horse battery"}'
ask "$BASE_URL/api/products?search=mug" > /dev/null
ask --request PUT "$BASE_URL/api/cart/mug" --data '{"quantity":2}' > /dev/null
ask "$BASE_URL/" > /dev/null
ask "$BASE_URL/api/register" --data "$who" > /dev/null
ask "$BASE_URL/api/cart" > /dev/null
ask --request PUT "$BASE_URL/api/cart/socks" --data '{"quantity":1}' > /dev/null
order=$(ask "$BASE_URL/api/checkout" -H 'Idempotency-Key: first' --data '{"card":"good"}' | sed -n 's/^{"id":"\([^"]*\)".*/\1/p')
until ask "$BASE_URL/api/orders/$order" | grep -q '"receipt":"Receipt'; do sleep 0.1; done
# Sent again, as by somebody who got no answer.
[ "$(status "$BASE_URL/api/checkout" -H 'Idempotency-Key: first' --data '{"card":"good"}')" = 201 ]
ask --request PUT "$BASE_URL/api/cart/pencil" --data '{"quantity":3}' > /dev/null
[ "$(status "$BASE_URL/api/checkout" -H 'Idempotency-Key: second' --data '{"card":"refused"}')" = 402 ]
ask "$BASE_URL/api/cart" | grep -q '"quantity":3'
ask "$BASE_URL/cart" > /dev/null
ask "$BASE_URL/orders/$order" | grep -q 'It is paid'
issued=$(ask "$BASE_URL/api/token" --data "$who")
issued=$(ask "$BASE_URL/api/token/refresh" --data "{\"refresh_token\":\"$(echo "$issued" | field refresh_token)\"}")
curl --silent --fail "$BASE_URL/api/orders" -H "Authorization: Bearer $(echo "$issued" | field access_token)" | grep -q "$order"
ask --request POST "$BASE_URL/api/logout"
[ "$(status "$BASE_URL/api/orders")" = 401 ]
