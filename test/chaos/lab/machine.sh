# A machine: it has a home folder of its own, of a size that can be filled, its own processes, and an identity of
# its own. $1 is its name, $2 its folder, $3 the size of its disk in MiB, $4 the user.
set -e
hostname "$1"
mount -t tmpfs -o "mode=755,size=$3m" home /home
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 log /var/log
mount -t proc proc /proc
mount --bind "$2/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$2/passwd" /etc/passwd
[ ! -e /etc/machine-id ] || mount --bind "$2/machine-id" /etc/machine-id
mkdir -p /run/sshd "/home/$4/.ssh"
mkdir -m 1777 /run/chaos
cp "$2/authorized_keys" "/home/$4/.ssh/"
chown -R "$4:" "/home/$4"
chmod 700 "/home/$4" "/home/$4/.ssh"
exec /usr/sbin/sshd -D -e -f "$2/sshd_config"
