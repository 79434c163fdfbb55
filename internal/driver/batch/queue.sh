# Says what Slurm knows of this user's jobs of target $1. It may have thousands of others: only ours are printed.
user=$(id -un) || exit 1
all=$(squeue -h -a -t all -u "$user" -o '%k|%j|%A|%T|%P|%N|%r') || exit 1
printf '%s\n' "$all" | grep "^zaffre/$1|" | cut -d '|' -f 2- | while IFS= read -r line; do printf 'job=%s\n' "$line"; done
echo done=yes
