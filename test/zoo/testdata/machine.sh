# Run as root on vm1 before the tests: what the cases stand on. $1 is the public key to let in, $2 the
# password.
set -eu
mkdir -p /etc/zoo /run/sshd /srv/zoo /run/systemd/system
printf '%s\n' "$1" >/etc/zoo/key.pub
person() { # NAME SHELL [HOME]
  id "$1" >/dev/null 2>&1 || useradd -m -d "${3:-/home/$1}" -s "$2" "$1"
  usermod -s "$2" "$1"
  mkdir -p /etc/zoo/keys
  cp /etc/zoo/key.pub "/etc/zoo/keys/$1"
  echo "$1:$pw" | chpasswd
}
pw=$2
person z-fish /usr/bin/fish
person z-csh /bin/tcsh
person z-dash /bin/dash
person z-zsh /usr/bin/zsh
person z-space /bin/bash '/home/a b "c"'
person z-loud /bin/bash
person z-false /bin/false
person z-nologin /usr/sbin/nologin
person z-locked /bin/bash
person z-old /bin/bash
person z-gone /bin/bash
person z-stale /bin/bash
person z-copy /bin/bash
rm -rf /home/z-copy/.ssh /var/lib/systemd/linger /run/zoo-docker
getent group docker >/dev/null || groupadd docker
gpasswd -d azureuser docker >/dev/null 2>&1 || :
mkdir -p -m 755 /srv/zoo/denied
rm -rf /srv/zoo/denied/w
# What systemd has, as far as the fixes need it: here is none.
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"/usr/local/bin/$1"; chmod 755 "/usr/local/bin/$1"; }
stand_in loginctl '[ "$1" = enable-linger ] && mkdir -p /var/lib/systemd/linger && touch "/var/lib/systemd/linger/$2"'
stand_in timedatectl '[ "$*" = "set-ntp true" ]'
stand_in systemctl '[ "$*" = "start docker" ] && touch /run/zoo-docker'
stand_in journalctl '[ "$*" = "-u ssh" ] && tail -n 50 /run/zoo-*.log'
cp /etc/zoo/key.pub /etc/zoo/keys/azureuser
passwd -q -l z-locked
chage -d 0 z-old
chage -d 0 z-stale
rm -rf /home/z-gone
printf 'echo loud; echo loud >&2; printf "no newline"; cat /dev/null\n' | tee /home/z-loud/.bashrc >/home/z-loud/.profile
mkdir -p /home/z-fish/.config/fish
echo 'echo fish says hello; echo and errors >&2' >/home/z-fish/.config/fish/config.fish
echo 'echo csh says hello; set histchars' >/home/z-csh/.cshrc
echo 'echo zsh says hello; setopt xtrace' >/home/z-zsh/.zshenv
for d in noexec full ro; do
  mkdir -p /srv/zoo/$d
  mountpoint -q /srv/zoo/$d || mount -t tmpfs -o mode=1777,size=1m tmpfs /srv/zoo/$d
done
mount -o remount,noexec /srv/zoo/noexec
mount -o remount,size=1m /srv/zoo/full
dd if=/dev/zero of=/srv/zoo/full/fill bs=4096 2>/dev/null || :
mount -o remount,ro /srv/zoo/ro
touch /srv/zoo/file
iptables -C INPUT -i eth0 -p tcp --dport 2999 -j DROP 2>/dev/null || iptables -A INPUT -i eth0 -p tcp --dport 2999 -j DROP
# Keys of a host whose certificates are good, for another name, ended, or signed by a stranger.
[ -f /etc/zoo/ca ] || ssh-keygen -q -t ed25519 -N '' -f /etc/zoo/ca
[ -f /etc/zoo/stranger ] || ssh-keygen -q -t ed25519 -N '' -f /etc/zoo/stranger
cert() { # NAME CA PRINCIPAL VALIDITY
  [ -f "/etc/zoo/$1" ] || ssh-keygen -q -t ed25519 -N '' -f "/etc/zoo/$1"
  ssh-keygen -q -s "/etc/zoo/$2" -h -I "$1" -n "$3" -V "$4" "/etc/zoo/$1.pub"
}
cert good ca 10.250.1.2 -1h:+1d
cert name ca other.example -1h:+1d
cert ended ca 10.250.1.2 -2d:-1d
cert signer stranger 10.250.1.2 -1h:+1d
