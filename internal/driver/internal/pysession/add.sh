# Keeps what comes as statement $4 of the session of target $2 whose job is $3, if it is the next. Says how many there
# are, and whether another code has that number.
umask 077
dir=$work/$2/sessions/$3/statements
[ -d "$dir" ] || { echo gone=yes; exit 0; }
count() { ls -- "$dir" | grep -c '\.code$'; }
n=$(count) # before it is looked for: others add theirs
if [ "$n" = "$4" ] || [ -f "$dir/$4.code" ]; then
  new=$dir/.new.$$
  trap 'rm -f -- "$new"' EXIT
  cat >"$new" || exit 1
  ln -- "$new" "$dir/$4.code" 2>/dev/null
  [ -f "$dir/$4.code" ] || exit 1
  echo kept=yes
  # The word at the end keeps the newlines before it.
  [ "$(cat -- "$new"; echo .)" = "$(cat -- "$dir/$4.code"; echo .)" ] || echo other=yes
fi
printf 'count=%s\n' "$(count)"
