# Keeps what comes as the record of session $3 of target $2, whose job is $4, unless there is one: the first stays.
# Says which one there is.
umask 077
dir=$work/$2/sessions
mkdir -p -- "$dir/$4/statements" && cat >"$dir/$4/record" || exit 1
ln -- "$dir/$4/record" "$dir/$3.json" 2>/dev/null || rm -rf -- "${dir:?}/$4"
[ -f "$dir/$3.json" ] || exit 1
printf 'record=%s\n' "$(cat -- "$dir/$3.json")"
