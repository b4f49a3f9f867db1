#!/bin/sh
# One golden case of orders: orders_case.sh TICKGATE CAPTURE_FROM_TEXT CASE.txt [update]
#
# CASE.txt is the capture as text (see capture_from_text.c), replayed through orders.yaml. The journal of the orders, each
# with the message that caused it, and the reasons of those refused are compared with CASE.expected; `update` writes that
# file anew, for a review with git diff.
set -u
tickgate=$(realpath "$1")
made_by=$(realpath "$2")
case_text=$(realpath "$3")
expected=${case_text%.txt}.expected
directory=$(mktemp -d) || exit 99
trap 'rm -rf "$directory"' EXIT

cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)
sed "s/role: rx, cpu: 0}/role: rx, cpu: $cpu}/" "$(dirname "$case_text")/orders.yaml" > "$directory/config.yaml"
cd "$directory" || exit 99
"$made_by" "$case_text" capture || exit 99
"$tickgate" replay config.yaml --capture capture --speed max --journal journal > report 2> errors || { cat errors; exit 1; }
{
    cat journal
    sed -n 's/^  refused: /refused: /p; s/^\(  holes .*\)/\1/p; s/^order hash/order hash/p' report
} > found
if [ "${4:-}" = update ]; then
    cp found "$expected"
    exit 0
fi
diff -u "$expected" found
