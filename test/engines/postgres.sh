#!/usr/bin/env bash
# A private PostgreSQL (Debian's) on 127.0.0.1; a fresh cluster at every `up`.
#   up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine postgres
bindir() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }
# PostgreSQL refuses root; the capability lets its user walk through a closed home.
PRE=()
[ "$(id -u)" != 0 ] || PRE=(setpriv --reuid postgres --regid postgres --clear-groups --inh-caps +dac_read_search --ambient-caps +dac_read_search --)
as() { "${PRE[@]}" "$@"; }

cmd_up() {
  [ -n "$(bindir)" ] || apt_need postgresql
  local b p data=$RUN/data; b=$(bindir) p=$(port postgres 15432)
  if [ ! -f "$data/PG_VERSION" ]; then
    install -d -m 700 "$data"; [ "$(id -u)" != 0 ] || chown postgres:postgres "$data"
    (cd / && as "$b/initdb" -D "$data" -U postgres --auth=trust --no-sync -E UTF8 --locale=C.UTF-8) >"$DIR/initdb.log" 2>&1 || { tail "$DIR/initdb.log" >&2; die "initdb failed"; }
  fi
  cd /
  spawn postgres "${PRE[@]}" "$b/postgres" -D "$data" -h 127.0.0.1 -p "$p" -c unix_socket_directories= \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200
  wait_for 30 postgres "$b/pg_isready" -q -h 127.0.0.1 -p "$p" -U postgres
}
cmd_down() { stop postgres INT; rm -rf "$RUN"; } # INT: fast shutdown
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() { up_or_die postgres; var TEST_POSTGRES_URL "postgres://postgres@127.0.0.1:$(port postgres 15432)/postgres?sslmode=disable"; }
verbs "$@"
