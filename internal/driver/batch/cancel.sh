# Takes job $1 out of the queue where it waits, and tells it where it runs that its end was asked for.
scancel --quiet --state=PENDING --name="$1" || exit 1
scancel --quiet --state=RUNNING --name="$1" --batch --signal=USR1 || exit 1
scancel --quiet --state=SUSPENDED --name="$1"
