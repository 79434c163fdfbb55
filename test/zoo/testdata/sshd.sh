# Run as root on vm1: one more sshd. $1 is its port, $2 lines for its sshd_config, $3 programs that it is to
# see otherwise, as NAME=SCRIPT, NAME=raw CONTENT or NAME=none lines: in a mount namespace of its own.
set -eu
if [ -f "/run/zoo-$1.pid" ]; then
  kill "$(cat "/run/zoo-$1.pid")" && rm -f "/run/zoo-$1.pid"
  while bash -c ": </dev/tcp/10.250.1.2/$1" 2>/dev/null; do sleep 0.02; done
fi
{
  printf '%s\n' "$2"
  printf 'Port %s\nPidFile /run/zoo-%s.pid\nAuthorizedKeysFile /etc/zoo/keys/%%u\nStrictModes no\n' "$1" "$1"
  grep -v -e '^Port' -e '^PidFile' -e '^HostKey' -e '^ListenAddress' -e '^Subsystem' /etc/ssh/sshd_config
  printf '%s\n' "$2" | grep -q '^HostKey ' || printf 'HostKey /etc/ssh/ssh_host_ed25519_key\n'
} >"/etc/zoo/$1.conf"
/usr/sbin/sshd -t -f "/etc/zoo/$1.conf"
mkdir -p "/etc/zoo/$1.bin"
unshare --mount sh -ec '
  printf "%s\n" "$3" | while IFS= read -r line; do
    name=${line%%=*} text=${line#*=}
    [ -n "$name" ] || continue
    for to in $name; do
      if [ "$text" = none ]; then mount --bind /dev/null "$to"; continue; fi
      f=/etc/zoo/$1.bin/${to##*/}
      case $text in
      raw\ *) printf "%s\n" "${text#raw }" >"$f" ;;
      *) printf "#!/bin/sh\n%s\n" "$text" >"$f" ;;
      esac
      chmod 755 "$f"
      [ -e "$to" ] || touch "$to"
      mount --bind "$f" "$to"
    done
  done
  exec /usr/sbin/sshd -E "/run/zoo-$1.log" -f "/etc/zoo/$1.conf"
' sshd "$1" x "$3"
i=0
until bash -c ": </dev/tcp/10.250.1.2/$1" 2>/dev/null || bash -c ": </dev/tcp/127.0.0.1/$1" 2>/dev/null; do
  i=$((i + 1))
  [ $i -lt 100 ] || { echo "no sshd on port $1" >&2; exit 1; }
  sleep 0.05
done
