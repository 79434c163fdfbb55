# Asks for the end of statement $4 of the session of target $2 whose job is $3.
dir=$work/$2/sessions/$3/statements
[ -f "$dir/$4.code" ] || exit 3
: >"$dir/$4.cancel"
