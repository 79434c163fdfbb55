# Takes job $1 out of the queue where it waits, and tells it where it runs that its end was asked for.
me=$(id -u)
scancel --quiet --user="$me" --state=PENDING --name="$1" || exit 1
scancel --quiet --user="$me" --state=RUNNING --name="$1" --batch --signal=USR1 || exit 1
scancel --quiet --user="$me" --state=SUSPENDED --name="$1"
