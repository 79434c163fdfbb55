# Says what Slurm knows of this user's jobs of target $1. It may have thousands of others: only ours are printed. Tasks of
# an array that are alike share a line. Without SLURM_BITSTR_LEN squeue cuts short which tasks wait.
user=$(id -un) || exit 1
all=$(SLURM_BITSTR_LEN=0 squeue -h -a -t all -u "$user" -o '%k|%j|%F|%T|%P|%N|%K|%r' 2>&1) || { say said "$all"; exit 1; }
printf '%s\n' "$all" | awk -F '|' -v ours="zaffre/$1" '
  $1 == ours {
    sub(/%.*/, "", $7)
    key = $2 "|" $3 "|" $4 "|" $5 "|" $6
    if (!((key, $8) in tasks)) { order[++n] = key; reason[n] = $8; tasks[key, $8] = $7 } else tasks[key, $8] = tasks[key, $8] "," $7
  }
  END { for (i = 1; i <= n; i++) print "job=" order[i] "|" tasks[order[i], reason[i]] "|" reason[i] }' || exit 1
echo done=yes
