# Takes job $1 out of the queue where it waits, and tells it where it runs that its end was asked for. scancel fails where one
# of them ends meanwhile: what counts is that none waits. One that runs looks by itself whether its end was asked for.
left() { squeue -h -a --name="$1" --state=PENDING -o %A || echo unknown; }
scancel --quiet --state=PENDING --name="$1" || [ -z "$(left "$1")" ] || exit 1
scancel --quiet --state=RUNNING --name="$1" --batch --signal=USR1 || squeue -h -a --name="$1" >/dev/null || exit 1
scancel --quiet --state=SUSPENDED --name="$1" || squeue -h -a --name="$1" >/dev/null
