#!/usr/bin/env bash
# Azurite, the emulator of Azure Storage from npm: blobs, over http on 127.0.0.1, with the account and key that are
# published for it.
#   install | up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine azurite
VERSION=3.37.0
ACCOUNT=devstoreaccount1

cmd_install() {
  [ ! -f "$CACHE/$VERSION.done" ] || return 0
  command -v npm >/dev/null || apt_need nodejs npm
  nice npm install --silent --no-audit --no-fund --prefix "$CACHE" "azurite@$VERSION" >"$DIR/npm.log" 2>&1 || { tail -20 "$DIR/npm.log" >&2; die "npm failed"; }
  touch "$CACHE/$VERSION.done"
}
cmd_up() {
  cmd_install
  local blob; blob=$(port blob 10000)
  # The versions of its interface are not checked: clients are newer than it.
  spawn azurite node "$CACHE/node_modules/azurite/dist/src/blob/main.js" --silent --skipApiVersionCheck --disableTelemetry --location "$RUN/data" \
    --blobHost 127.0.0.1 --blobPort "$blob"
  wait_for 30 azurite tcp 127.0.0.1 "$blob"
}
cmd_down() { stop azurite; rm -rf "$RUN"; }
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() {
  up_or_die azurite
  var TEST_AZURITE "http://127.0.0.1:$(port blob 10000)/$ACCOUNT" # what the tests ask for
}
verbs "$@"
