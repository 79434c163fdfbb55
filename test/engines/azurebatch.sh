#!/usr/bin/env bash
# What the simulator of Azure Batch runs on: a Python with the official client, whose models are its contract. The tests
# start the simulators themselves (test/rig).
#   install | up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine azurebatch
VERSION=15.1.0
PYTHON=$CACHE/$VERSION/bin/python

cmd_install() {
  [ ! -f "$CACHE/$VERSION/.done" ] || return 0
  python3 -c 'import ensurepip' 2>/dev/null || apt_need python3-venv
  python3 -m venv --clear "$CACHE/$VERSION"
  "$PYTHON" -m pip install -q "azure-batch==$VERSION" >"$DIR/pip.log" 2>&1 || { tail -20 "$DIR/pip.log" >&2; die "pip failed"; }
  touch "$CACHE/$VERSION/.done"
}
cmd_up() { cmd_install; }
cmd_down() { rm -rf "$RUN"; }
cmd_clean() { rm -rf "$DIR"; }
cmd_env() {
  [ -f "$CACHE/$VERSION/.done" ] || die "not up (run: $(basename "$0") up)"
  var TEST_AZUREBATCH "$PYTHON" # what the tests ask for
}
verbs "$@"
