# Says of session $3 of target $2, or of all where it is "", the record, the state, and how many statements were begun.
dir=$work/$2/sessions
for f in "$dir"/${3:-*}.json; do
  [ -f "$f" ] || continue
  record=$(cat -- "$f")
  name=${f##*/}
  name=${name%.json}
  job=${record#*'"job":"'}
  job=${job%%'"'*}
  printf 'record.%s=%s\n' "$name" "$record"
  printf 'state.%s=%s\n' "$name" "$(cat -- "$dir/$job/state.json" 2>/dev/null)"
  printf 'count.%s=%s\n' "$name" "$(ls -- "$dir/$job/statements" 2>/dev/null | grep -c '\.code$')"
done
exit 0
