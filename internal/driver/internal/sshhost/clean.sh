# Says "key=FILE" where the public key $1 stands in authorized_keys with a comment that says that it is ours, and
# with $2 "yes" takes the line away.
keys=$HOME/.ssh/authorized_keys
grep -qF -- "$1 zaffre:" "$keys" 2>/dev/null || exit 0
printf 'key=%s\n' "$keys"
[ "$2" = yes ] || exit 0
umask 077
real=$(readlink -f "$keys") && temp=$real.zaffre.$$ && cp -p -- "$real" "$temp" || exit 1
{ grep -vF -- "$1 zaffre:" "$real" || [ $? -eq 1 ]; } >"$temp" && mv -- "$temp" "$real" || exit 1
