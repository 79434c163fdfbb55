# Writes what is known of statement $4 of the session of target $2 whose job is $3: a line of JSON, which may be empty,
# and then its code.
dir=$work/$2/sessions/$3/statements
[ -f "$dir/$4.code" ] || exit 3
printf '%s\n' "$(cat -- "$dir/$4.json" 2>/dev/null)"
cat -- "$dir/$4.code"
