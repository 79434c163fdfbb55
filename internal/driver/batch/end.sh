# Ends the named jobs now.
for job; do
  scancel --quiet --name="$job" --full --signal=KILL 2>/dev/null
  scancel --quiet --name="$job" || exit 1
done
