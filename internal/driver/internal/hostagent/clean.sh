# Says what of the target $2 is on the machine, in lines KEY=VALUE, and with $3 "yes" takes it away.
root=$work/$2
say() { printf '%s=%s\n' "$1" "$2"; }
size() { du -sk -- "$1" 2>/dev/null | cut -f 1; }
say root "$root"
[ -d "$root" ] && say root.kib "$(size "$root")"
others=$(find "$work" -mindepth 1 -maxdepth 1 ! -name bin ! -name "$2" 2>/dev/null | head -n 1)
[ -d "$work/bin" ] && [ -z "$others" ] && say bin "$work/bin" && say bin.kib "$(size "$work/bin")"
[ "$3" = yes ] || exit 0
[ ! -d "$root" ] || rm -rf -- "$root" || exit 1
if [ -z "$others" ]; then
  [ ! -d "$work/bin" ] || rm -rf -- "$work/bin" || exit 1
  [ ! -d "$work" ] || rmdir -- "$work" 2>/dev/null
fi
exit 0
