# Says what the machine is, in lines KEY=VALUE. $1 is the work directory that was asked for, or "".
# Nothing that lasts is changed, and no program is needed that a small Linux lacks.
export LC_ALL=C
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin:$HOME/.local/bin:$HOME/.cargo/bin:$HOME/miniconda3/bin:$HOME/miniforge3/bin:$HOME/anaconda3/bin:/opt/conda/bin
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ' | cut -c1-400)"; }
at() { read -r up rest </proc/uptime && printf 'at=%s %s\n' "$1" "$up"; }
has() { command -v "$1" >/dev/null 2>&1; }
lim() { if has timeout; then timeout 3 "$@"; else "$@"; fi; }

say time "$(date +%s.%N)"
at system
say kernel "$(uname -s)"
say arch "$(uname -m)"
say release "$(uname -r)"
say hostname "$(uname -n)"
say boot "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
say machine "$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)"
say os "$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-$NAME}")"
say cpus "$(nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
say memory "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)"
user=$(id -un 2>/dev/null) || user=$(id -u) # a user without a name
say user "$user"
say uid "$(id -u)"
say shell "$SHELL"

at home
say home "$HOME"
[ -d "$HOME" ] && say home.is yes
[ -w "$HOME" ] && say home.writable yes

at work
say work "$work"
d=$work
while [ ! -e "$d" ] && [ "$d" != / ] && [ "$d" != . ]; do d=$(dirname -- "$d"); done
say work.base "$d"
[ ! -d "$d" ] || [ -x "$d" ] || say work.closed yes
try() { # makes what a run makes, a program, and takes it away again
  t=$(mktemp -d "$d/.zaffre-check.XXXXXX" 2>&1) || { say work.error "$t"; return; }
  if e=$( { printf '#!/bin/sh\nexit 0\n' | cat >"$t/run" && dd if=/dev/zero of="$t/fill" bs=4096 count=64 2>&1 && chmod 700 "$t/run"; } 2>&1); then
    e=$("$t/run" 2>&1) || say work.noexec "$e "
  else
    say work.error "$e"
  fi
  rm -rf -- "$t"
}
if [ -d "$d" ]; then try; else say work.error "$d is not a folder"; fi
say work.type "$(stat -f -c %T -- "$d" 2>/dev/null)"
at disk
say disk "$(df -Pk -- "$d" 2>/dev/null | awk 'NR == 2 {print $4}')"
say inodes "$(df -Pi -- "$d" 2>/dev/null | awk 'NR == 2 {print $2, $4}')"

at lingering
if [ -d /run/systemd/system ]; then
  say systemd yes
  kill=$(lim busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses 2>/dev/null)
  [ -n "$kill" ] || kill=$(cat /usr/lib/systemd/logind.conf.d/*.conf /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf 2>/dev/null | sed -n 's/^ *KillUserProcesses *= *//p' | tail -n 1)
  say lingering.kill "$kill"
  [ -e "/var/lib/systemd/linger/$user" ] && say lingering.on yes
fi

at python
for p in python3 python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 python3.15 python; do
  f=$(command -v $p 2>/dev/null) || continue
  v=$(lim "$f" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) && say python "$v $f"
done
for p in uv conda mamba micromamba; do
  f=$(command -v $p 2>/dev/null) && say tool "$p $(lim "$f" --version 2>/dev/null | head -n 1) ($f)"
done

at devices
( # these may be slow: at the same time
  if has docker; then
    if v=$(lim docker info --format '{{.ServerVersion}}' 2>&1); then
      say docker "$v"
    else
      say docker.error "$v "
      has sudo && v=$(lim sudo -n docker info --format '{{.ServerVersion}}' 2>/dev/null) && say docker.sudo "$v"
    fi
  fi
) &
(
  if has nvidia-smi; then
    if v=$(lim nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader,nounits 2>&1); then
      printf '%s\n' "$v" | while IFS= read -r l; do say gpu "$l"; done
    else
      say gpu.error "$v "
    fi
  elif [ -e /dev/nvidia0 ]; then
    say gpu.error 'there is a device /dev/nvidia0, but no nvidia-smi'
  fi
) &
wait
at end
