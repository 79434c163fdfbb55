# Holds the run's pod, so that the agent comes in by exec and what the run leaves can be fetched. $1 is the work
# directory, $2 where the agent's parts are. Who ends the pod ends the run, and its agent is told so first. A pod that
# nobody asks of for a day has no more run, and ends; how its run ended it says as its last word.
leave() {
  for root in "$1"/*/; do true >"${root}leaving"; done 2>/dev/null
  kill -TERM -1 2>/dev/null
  sleep 1
  exit 143
}
trap 'leave "$1"' TERM
# The agent comes with the pod, in parts below $2, where the cluster keeps it. What does not come out whole is sent.
unpack() (
  umask 077
  for from in "$2/$(uname -m)"/*/; do
    to=${from%/} to=$1/bin/${to##*/}
    [ -d "$from" ] || continue
    mkdir -p "$1/bin" && cat "$from"* | gzip -dc >"$to.part" && chmod 700 "$to.part" && mv "$to.part" "$to"
    rm -f "$to.part"
  done
) 2>/dev/null
unpack "$1" "$2"
idle=0
while [ "$idle" -lt 1440 ]; do
  sleep 60 &
  wait $!
  idle=$((idle + 1))
  for job in "$1"/*/jobs/*; do
    [ -f "$job/spec.json" ] && [ ! -f "$job/exit.json" ] && idle=0
  done
done
for job in "$1"/*/jobs/*; do
  [ -f "$job/exit.json" ] && cat "$job/exit.json" >/dev/termination-log
done
exit 0
