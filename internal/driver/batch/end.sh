# Ends the named jobs now.
me=$(id -u)
for job; do
  scancel --quiet --user="$me" --name="$job" --full --signal=KILL 2>/dev/null
  scancel --quiet --user="$me" --name="$job" || exit 1
done
