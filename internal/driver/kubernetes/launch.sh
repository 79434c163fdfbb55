# Starts $1 processes of a command on one node: the command is what comes after the first three words. $2 is the rank of
# the first of them, $3 how many seconds the others have when one has failed. The first that fails says how it all ends.
# Signals come to each process by the agent; this one waits for what they make of them.
trap : TERM INT HUP
count=$1 base=$2 grace=$3
shift 3
dir=$(mktemp -d) && mkfifo "$dir/ends" && exec 3<>"$dir/ends" || exit 125
rm -rf "$dir"
i=0
while [ "$i" -lt "$count" ]; do
  (
    trap : TERM INT HUP
    LOCAL_RANK=$i RANK=$((base + i))
    export LOCAL_RANK RANK
    "$@" 3>&-
    echo "$? $RANK" >&3
  ) &
  i=$((i + 1))
done
first=0 ended=0
while [ "$ended" -lt "$count" ]; do
  read -r code rank <&3 || continue
  [ "$code" != late ] || break
  ended=$((ended + 1))
  if [ "$code" != 0 ] && [ "$first" = 0 ]; then
    first=$code
    [ "$ended" = "$count" ] || echo "rank $rank ended with code $code: the other processes of its node are ended" >&2
    kill -TERM 0
    (sleep "$grace"; echo late >&3) >/dev/null 2>&1 &
  fi
done
if [ "$first" -gt 128 ]; then
  trap - TERM INT HUP
  kill -"$((first - 128))" $$
fi
exit "$first"
