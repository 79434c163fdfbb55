# Packs the environment $1 for machines that do not see it, once, as environment.tar.gz within it, so that it goes when
# the environment does. Then it goes on as the command that follows.
prefix=$1
archive=$prefix/environment.tar.gz
shift
fail() { printf 'zaffre: the environment cannot be packed for the workers: %s\n' "$1" >&2; exit 1; }
entries() ( # of the environment, for tar: no lists of packages, in which an index may stand with its password
  cd -- "$prefix" || exit 2
  for f in *; do
    case $f in environment.tar.gz* | zaffre.json | *.txt) ;; *) set -- "$@" "$f" ;; esac
  done
  tar -czf "$part" --exclude=__pycache__ -- "$@"
)
pack() {
  part=$archive.$$
  trap 'rm -f -- "$part"' EXIT
  trap 'exit 143' TERM INT HUP
  printf 'zaffre: packing the environment for the workers: %s\n' "$archive"
  entries
  code=$?
  # GNU's tar says 1 where somebody changed a file meanwhile: Python does, beside its own.
  [ "$code" = 0 ] || { [ "$code" = 1 ] && tar --version 2>/dev/null | grep -q GNU; } || fail "tar ends with code $code"
  sync "$part" 2>/dev/null
  mv -f -- "$part" "$archive" || fail "it cannot be renamed"
  trap - EXIT TERM INT HUP
}
real=$(readlink -f -- "$prefix/bin/python")
case $real in
"$(readlink -f -- "$prefix")"/*) ;;
"$(readlink -f -- "${prefix%/envs/*}")"/* | "${HOME:-/root}"/* | /home/* | /root/*)
  printf 'zaffre: warning: the Python of the environment is %s, which the workers must have at the same path: put it there, or name one that they have: zaffre compute update NAME --worker-python PATH\n' "$real" >&2 ;;
esac
if [ ! -f "$archive" ]; then
  [ -w "$prefix" ] || fail "$prefix cannot be written"
  exec 9>"$archive.lock"
  if command -v flock >/dev/null 2>&1 && flock 9; then
    rm -f -- "$archive".[0-9]* # of one that was killed
  fi
  [ -f "$archive" ] || pack
  exec 9>&-
fi
exec "$@"
