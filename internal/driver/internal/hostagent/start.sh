# Starts the agent, and says "+" before its stream begins; where the machine has not this version of it,
# says "-", its architecture, and where the binary is to lie. $1 is the work directory that was asked for or
# "", $2 the target's ID.
umask 077
root=$work/$2
if [ -z "$sum" ] || [ ! -x "$binary" ]; then
  printf -- '-%s %s' "$arch" "$binary"
  exit 0
fi
PATH=$PATH:/usr/local/bin:$HOME/.local/bin:$HOME/.cargo/bin:$HOME/miniconda3/bin:$HOME/miniforge3/bin:$HOME/anaconda3/bin:/opt/conda/bin
export PATH ZAFFRE_AGENT=1
touch -c -- "$binary" 2>/dev/null
cd / && printf + && exec "$binary" agent serve --root "$root"
