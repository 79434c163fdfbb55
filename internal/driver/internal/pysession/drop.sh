# Forgets session $3 of target $2, if its job is $4.
dir=$work/$2/sessions
if grep -q -- "\"job\":\"$4\"" "$dir/$3.json" 2>/dev/null; then
  rm -f -- "$dir/$3.json" || exit 1
fi
[ ! -d "$dir/$4" ] || rm -rf -- "${dir:?}/$4"
