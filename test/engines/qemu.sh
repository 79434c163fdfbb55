#!/usr/bin/env bash
# Lets this machine run programs for arm64, by Debian's qemu-user: qemu.sh up|env|down. Only root can register it
# with the kernel; what was registered before stays.
set -euo pipefail
name=qemu-aarch64 misc=/proc/sys/fs/binfmt_misc
case "${1:-}" in
up)
  [ ! -e "$misc/$name" ] || exit 0
  if [ ! -x /usr/bin/qemu-aarch64-static ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null; }
  fi
  [ -e "$misc/register" ] || mount -t binfmt_misc binfmt_misc "$misc"
  [ -e "$misc/$name" ] || cat /usr/lib/binfmt.d/$name.conf >"$misc/register"
  ;;
env) echo "export TEST_QEMU=aarch64" ;;
down) [ ! -e "$misc/$name" ] || echo -1 >"$misc/$name" ;;
*) echo "usage: qemu.sh up|env|down" >&2; exit 2 ;;
esac
