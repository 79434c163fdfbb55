# Says what of the target $2 is on the machine, in lines KEY=VALUE, and with $3 "yes" takes it away. $4 is the
# public key that was made for the target, or "": its line in authorized_keys goes if a comment says that it is
# ours.
root=$work/$2
say() { printf '%s=%s\n' "$1" "$2"; }
size() { du -sk -- "$1" 2>/dev/null | cut -f 1; }
keys=$HOME/.ssh/authorized_keys
say root "$root"
[ -d "$root" ] && say root.kib "$(size "$root")"
others=$(find "$work" -mindepth 1 -maxdepth 1 ! -name bin ! -name "$2" 2>/dev/null | head -n 1)
[ -d "$work/bin" ] && [ -z "$others" ] && say bin "$work/bin" && say bin.kib "$(size "$work/bin")"
[ -n "$4" ] && grep -qF -- "$4 zaffre:" "$keys" 2>/dev/null && say key "$keys"
[ "$3" = yes ] || exit 0
[ ! -d "$root" ] || rm -rf -- "$root" || exit 1
if [ -z "$others" ]; then
  [ ! -d "$work/bin" ] || rm -rf -- "$work/bin" || exit 1
  [ ! -d "$work" ] || rmdir -- "$work" 2>/dev/null
fi
if [ -n "$4" ] && grep -qF -- "$4 zaffre:" "$keys" 2>/dev/null; then
  umask 077
  real=$(readlink -f "$keys") && temp=$real.zaffre.$$ && cp -p -- "$real" "$temp" || exit 1
  { grep -vF -- "$4 zaffre:" "$real" || [ $? -eq 1 ]; } >"$temp" && mv -- "$temp" "$real" || exit 1
fi
exit 0
