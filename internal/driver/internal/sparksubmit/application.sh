# Says which application of Spark the log of job $3 of target $2 names in its first lines, and for which queue YARN
# refused it: in the words of Hadoop's CapacityScheduler.
log=$work/$2/jobs/$3/log
[ -f "$log" ] || exit 0
id=$(head -c 1000000 -- "$log" | sed -n 's/.*Submitted application \(application_[0-9]*_[0-9]*\).*/\1/p; s/.*Connected to Spark cluster with app ID \(app-[0-9]*-[0-9]*\).*/\1/p' | head -n 1)
[ -z "$id" ] || printf 'application=%s\n' "$id"
[ "$4" = ended ] || exit 0
of='.*Application application_[0-9_]* submitted by user[ :]* [^ ]* to'
queue=$(head -c 1000000 -- "$log" | sed -n "s/$of unknown queue *: \([^ ]*\).*/\1/p; s/$of non-leaf queue *: \([^ ]*\).*/\1/p" | head -n 1)
[ -z "$queue" ] || printf 'refused=%s\n' "$queue"
