#!/usr/bin/env bash
# A private Docker Engine (Debian's docker.io) on a socket of its own, and base images made without a registry:
# zaffre-test/debian:12 (Debian with python3), and zaffre-test/python:3.11 (that, with the certificates of this
# machine in the variables that Python's programs read).
# vm1 of sshd.sh, where it is up, gets an Engine too, in its network, with the same images. Folders that containers
# are given are this machine's: one of them, $SHARE, vm1 has at the same place.
#   up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine docker
BRIDGE=${ENGINES_DOCKER_BRIDGE:-engdocker0}
SUBNET=${ENGINES_DOCKER_SUBNET:-10.249.0.1/24}
export DOCKER_HOST=unix://$RUN/docker.sock DOCKER_BUILDKIT=0
CA=/etc/ssl/certs/ca-certificates.crt
# Below no home: the users of vm1 walk there too.
SHARE=/var/tmp/zaffre-engines-$(cksum <<<"$ENGINES_DIR" | cut -d' ' -f1)

cmd_up() {
  apt_need docker.io containerd iptables iproute2 ca-certificates
  ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge
  ip addr replace "$SUBNET" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  local before; before=$(iptables -w -S FORWARD 2>/dev/null | head -1)
  spawn dockerd dockerd --host "$DOCKER_HOST" --bridge "$BRIDGE" \
    --data-root "$CACHE/data" --exec-root "$RUN/exec" --pidfile "$RUN/dockerd.own.pid" \
    --storage-driver overlay2 --ip 127.0.0.1 --exec-opt native.cgroupdriver=cgroupfs
  wait_for 60 dockerd docker version
  # The Engine closes the machine for what others route, such as the machines of sshd.sh.
  case $before in *ACCEPT) iptables -w -P FORWARD ACCEPT ;; esac
  images
  share
}

# The base images: nothing is pulled, all comes from the machine's own Debian sources.
images() {
  docker image inspect zaffre-test/debian:12 >/dev/null 2>&1 || {
    local tar=$CACHE/debian.tar
    debian_tar "$tar"
    docker import -c 'CMD ["/bin/bash"]' -c 'ENV LANG=C.UTF-8' "$tar" zaffre-test/debian:12 >/dev/null
  }
  docker image inspect zaffre-test/python:3.11 >/dev/null 2>&1 || {
    printf 'FROM zaffre-test/debian:12\nENV SSL_CERT_FILE=%s REQUESTS_CA_BUNDLE=%s\n' "$CA" "$CA" |
      docker build -q -t zaffre-test/python:3.11 - >"$DIR/build.log" 2>&1 || { tail -20 "$DIR/build.log" >&2; die "no image"; }
  }
}

# vm1's Engine: its containers have vm1's network, which is the only one that they use.
share() {
  local vm=$ENGINES_DIR/sshd/run root=$ENGINES_DIR/sshd/run/vm1/root pid
  install -d -m 1777 "$SHARE"
  pid=$(RUN=$vm; alive vm1 && cut -d' ' -f1 "$vm/vm1.pid") || return 0
  mkdir -p "$RUN/vm"
  local sock=$RUN/vm/docker.sock
  spawn vmdockerd nsenter --net=/run/netns/engvm1 dockerd --host "unix://$sock" --bridge none --iptables=false \
    --data-root "$CACHE/vmdata" --exec-root "$RUN/vm/exec" --pidfile "$RUN/vm/dockerd.own.pid" \
    --storage-driver overlay2 --exec-opt native.cgroupdriver=cgroupfs
  wait_for 60 vmdockerd docker --host "unix://$sock" version
  local id; id=$(docker image inspect -f '{{.Id}}' zaffre-test/python:3.11)
  docker --host "unix://$sock" image inspect "$id" >/dev/null 2>&1 ||
    docker save zaffre-test/debian:12 zaffre-test/python:3.11 | docker --host "unix://$sock" load >/dev/null
  chmod 666 "$sock"
  nsenter -t "$pid" -m -- test ! -S "$root/run/docker.sock" || return 0
  log "vm1 gets its Engine"
  nsenter -t "$pid" -m -- bash -ec '
    root=$1 sock=$2 share=$3 docker=$4
    mkdir -p "$root$share"; mount --bind "$share" "$root$share"
    : >>"$root/run/docker.sock"; mount --bind "$sock" "$root/run/docker.sock"
    : >>"$root/usr/bin/docker"; mount --bind "$docker" "$root/usr/bin/docker"
  ' share "$root" "$sock" "$SHARE" "$(readlink -f "$(command -v docker)")"
  : >"$RUN/shared"
}
unshare_vm() {
  local vm=$ENGINES_DIR/sshd/run root=$ENGINES_DIR/sshd/run/vm1/root pid
  pid=$(RUN=$vm; alive vm1 && cut -d' ' -f1 "$vm/vm1.pid") || return 0
  nsenter -t "$pid" -m -- bash -c 'umount "$1$2" "$1/run/docker.sock" "$1/usr/bin/docker"; rm -f "$1/run/docker.sock" "$1/usr/bin/docker"' share "$root" "$SHARE" 2>/dev/null || true
}
empty() { # empty KEY SOCKET: what tests left in an Engine, which is then stopped
  alive "$1" || return 0
  local ids; ids=$(docker --host "$2" ps -q 2>/dev/null || true)
  [ -z "$ids" ] || docker --host "$2" kill $ids >/dev/null 2>&1 || true
  docker --host "$2" image ls --quiet zaffre/env | sort -u | xargs -r docker --host "$2" image rm --force >/dev/null 2>&1 || true
  stop "$1" TERM 30
}

cmd_down() {
  unshare_vm
  empty vmdockerd "unix://$RUN/vm/docker.sock"
  empty dockerd "$DOCKER_HOST"
  ip link del "$BRIDGE" 2>/dev/null || true
  unmount "$DIR"
  rm -rf "$RUN" "$SHARE"
}
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() {
  up_or_die dockerd
  var TEST_DOCKER "$DOCKER_HOST"
  var TEST_DOCKER_IMAGE zaffre-test/python:3.11
  [ ! -e "$RUN/shared" ] || var TEST_DOCKER_SHARE "$SHARE"
}
verbs "$@"
