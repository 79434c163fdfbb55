# Finds the work directory: $1 is the one that was asked for, or "".
case $1 in
'') work=$HOME/.zaffre ;;
/*) work=$1 ;;
'~') work=$HOME ;;
'~/'*) work=$HOME/${1#??} ;;
*) work=$HOME/$1 ;;
esac
