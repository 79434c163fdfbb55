# Has Slurm start job $2 of target $1, once: says "id=" and its number. What follows are arguments of sbatch. Slurm
# takes a name twice, so that it is asked first whether it has it, and one call at a time does so.
umask 077
root=$work/$1 job=$2
shift 2
dir=$root/jobs/$job
user=$(id -un) || exit 1
[ -d "$dir" ] || { echo "there is no folder $dir" >&2; exit 1; }
exec 9>"$dir/submit.lock" || exit 1
flock 9 || exit 1
if [ -e "$dir/exit.json" ] || [ -d "$dir/claim" ] || [ -s "$dir/slurm.id" ]; then
  say id "$(cat "$dir/slurm.id" 2>/dev/null)"
  exit 0
fi
all=$(squeue -h -a -t all --name="$job" -u "$user" -o 'id %F') || exit 1
id=$(printf '%s\n' "$all" | sed -n "s/^id \([0-9]*\)\$/\1/p" | head -n 1)
if [ -z "$id" ]; then
  quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
  # The node gets a binary of its own: it may be long until then, and the login node may have a newer one.
  ln -f -- "$binary" "$dir/agent" 2>/dev/null || cp -- "$binary" "$dir/agent" || exit 1
  {
    echo '#!/bin/sh'
    echo "trap '' USR1"
    echo 'unset SLURM_EXPORT_ENV'
    echo "export ZAFFRE_AGENT=1 HOME=$(quote "$HOME") USER=$(quote "$user") PATH=$(quote "$PATH") LANG=$(quote "${LANG:-C.UTF-8}")"
    echo "exec $(quote "$dir/agent") agent run $(quote "$dir")\${SLURM_ARRAY_TASK_ID:+/tasks/\$SLURM_ARRAY_TASK_ID}"
  } >"$dir/run.sh" || exit 1
  out=$(cd "$dir" && sbatch --parsable --no-requeue --export=NIL --job-name="$job" --comment="$comment" --chdir="$dir" \
    --output="$dir/slurm.out" --open-mode=append --input=/dev/null "$@" "$dir/run.sh" 9>&- 2>"$dir/sbatch.err") || {
    cat "$dir/sbatch.err" >&2
    ! grep -q 'job array' "$dir/sbatch.err" || scontrol show config | sed -n 's/^MaxArraySize *= */MaxArraySize is /p' >&2
    exit 1
  }
  id=${out%%;*}
fi
printf '%s\n' "$id" >"$dir/slurm.id.new" && mv -f -- "$dir/slurm.id.new" "$dir/slurm.id" || exit 1
say id "$id"
