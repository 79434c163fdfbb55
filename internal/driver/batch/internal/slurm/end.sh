# Ends the named jobs now. scancel fails where a task of an array ends meanwhile, and is asked again.
for job; do
  scancel --quiet --name="$job" --full --signal=KILL 2>/dev/null
  scancel --quiet --name="$job" 2>/dev/null || scancel --quiet --name="$job" || exit 1
done
