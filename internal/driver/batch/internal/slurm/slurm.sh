# Lets Slurm's programs be found: $2 is their folder, or "", $3 slurm.conf, or "". The other arguments follow.
PATH=$PATH:/usr/local/bin:/opt/slurm/bin:/usr/local/slurm/bin
[ -z "$2" ] || PATH=$2:$PATH
[ -z "$3" ] || SLURM_CONF=$3
export PATH LC_ALL=C
[ -z "${SLURM_CONF:-}" ] || export SLURM_CONF
shift 3
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ' | cut -c1-400)"; }
each() { while IFS= read -r line; do say "$1" "$line"; done; }
