# Says what there is for scripts: $2 is the store's folder, $3 that for rows, or "", $4 a Python with DuckDB, or "".
# Nothing that lasts is changed.
export LC_ALL=C
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ' | cut -c1-400)"; }
at() { read -r up rest </proc/uptime && printf 'at=%s %s\n' "$1" "$up"; }
lim() { if command -v timeout >/dev/null 2>&1; then timeout 10 "$@"; else "$@"; fi; }
try() { # whether a folder lets itself be written
  t=$(mktemp -d "$1/.zaffre-check.XXXXXX" 2>&1) && rmdir -- "$t" || say "$2.error" "$t "
}
free() { df -Pk -- "$1" 2>/dev/null | awk 'NR == 2 {print $4}'; }
at store
user=$(id -un 2>/dev/null) || user=$(id -u) # a user without a name
say user "$user"
[ -e "$2" ] && say store.is yes
if [ -d "$2" ]; then
  say store.real "$(cd -- "$2" 2>/dev/null && pwd -P)"
  [ -r "$2" ] && [ -x "$2" ] || say store.closed yes
  try "$2" store
  say store.free "$(free "$2")"
fi
at scratch
if [ -n "$3" ]; then
  d=$3
  while [ ! -e "$d" ] && [ "$d" != / ] && [ "$d" != . ]; do d=$(dirname -- "$d"); done
  say scratch.base "$d"
  try "$d" scratch
  say scratch.free "$(free "$d")"
fi
at duckdb
if [ -n "$4" ]; then
  v=$(lim "$4" -c 'import duckdb; print(duckdb.__version__)' 2>&1) && say duckdb "$v" || say duckdb.error "$v "
fi
at end
