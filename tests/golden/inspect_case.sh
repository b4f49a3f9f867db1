#!/bin/sh
# One golden case of `tickgate inspect`: inspect_case.sh TICKGATE CAPTURE_FROM_TEXT CASE.txt [update]
#
# CASE.txt is the capture as text (see capture_from_text.c); each of its lines "# run: OPTIONS" is one run. What the
# runs print, and their exit codes, is compared with CASE.expected; `update` writes that file anew, for a review with
# git diff.
set -u
tickgate=$(realpath "$1")
made_by=$(realpath "$2")
case_text=$(realpath "$3")
expected=${case_text%.txt}.expected
directory=$(mktemp -d) || exit 99
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 99

"$made_by" "$case_text" capture || exit 99
sed -n 's/^# run://p' "$case_text" > runs
[ -s runs ] || { echo "$case_text: no '# run:' line"; exit 99; }
while read -r options; do
    echo "== tickgate inspect $options capture"
    # shellcheck disable=SC2086  # options are words
    "$tickgate" inspect $options capture > printed 2> errors
    code=$?
    case $options in
    *--json*) sed '/^,*{"channel"/!s/,"/,\n"/g' printed ;; # one key a line, for the reader of a diff
    *) cat printed ;;
    esac
    sed 's/^/stderr: /' errors
    echo "== exit code $code"
done < runs > found

if [ "${4:-}" = update ]; then
    cp found "$expected"
    exit 0
fi
diff -u "$expected" found
