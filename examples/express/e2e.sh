#!/bin/sh
# What a customer does, against the address in BASE_URL.
set -e
jar=$(mktemp)
trap 'rm -f "$jar"' EXIT
ask() { curl --silent --show-error --fail --cookie "$jar" --cookie-jar "$jar" "$@"; }
ask "$BASE_URL/" | grep -q Socks
ask --output /dev/null --data name=ada "$BASE_URL/login"
ask --output /dev/null --data item=socks "$BASE_URL/cart"
ask --output /dev/null --data item=shoes "$BASE_URL/cart"
ask "$BASE_URL/cart" | grep -q '"socks","shoes"'
