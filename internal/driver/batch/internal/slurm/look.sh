# Says what the cluster is. $1 is the partition, or "": the default one.
at() { read -r up rest </proc/uptime && printf 'at=%s %s\n' "$1" "$up"; }
lim() { if command -v timeout >/dev/null 2>&1; then timeout 5 "$@"; else "$@"; fi; }
at sbatch
id -un >/dev/null 2>&1 || say nameless "$(id -u)"
if ! command -v sbatch >/dev/null 2>&1; then say sbatch.missing yes; at end; exit 0; fi
# Without its configuration each of Slurm's programs tries again for a minute.
v=$(lim sbatch --version 2>&1) || { say sbatch.error "$v "; at end; exit 0; }
say sbatch "$v"
command -v flock >/dev/null 2>&1 || say flock.missing yes
at controller
if v=$(lim scontrol show config 2>&1); then
  printf '%s\n' "$v" | sed -n 's/ *= */=/; /^\(ClusterName\|MinJobAge\|KillWait\|EnforcePartLimits\|SlurmctldHost\[0\]\)=/p'
else
  say controller.error "$v "
  at end
  exit 0
fi
at partition
v=$(lim sinfo -h -o '%R|%a|%D|%T|%l|%G' ${1:+--partition="$1"} 2>&1) && printf '%s\n' "$v" | each partition || say partition.error "$v "
say default "$(lim sinfo -h -o '%P' 2>/dev/null | sed -n 's/\*$//p' | head -n 1)"
at end
