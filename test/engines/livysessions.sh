#!/usr/bin/env bash
# What the simulator of Livy's sessions (livysessions/server.py) needs: spark.sh's Spark, on which it runs statements,
# and two clients that are not ours, pylivy and sparkmagic. The tests start it themselves.
#   install | up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine livysessions
CLIENTS=$CACHE/clients-livy-0.8.0-sparkmagic-0.23.0

cmd_install() {
  bash "$HERE/spark.sh" install
  [ -f "$CLIENTS/.done" ] && return
  log "pylivy and sparkmagic"
  rm -rf "$CLIENTS"
  nice python3 -m venv "$CLIENTS"
  { # sparkmagic asks for a notebook server, and for Kerberos by way of a C library: its client needs neither
    nice "$CLIENTS/bin/pip" -q install livy==0.8.0 'pandas<3' requests ipython ipykernel ipywidgets tornado nest-asyncio pyspnego jupyter_core six &&
      nice "$CLIENTS/bin/pip" -q install --no-deps sparkmagic==0.23.0 hdijupyterutils==0.23.0 autovizwidget==0.23.0 requests-kerberos==0.15.0
  } >"$DIR/pip.log" 2>&1 || { tail -20 "$DIR/pip.log" >&2; die "pip failed"; }
  touch "$CLIENTS/.done"
}
cmd_up() { cmd_install; }
cmd_down() { rm -rf "$RUN"; }
cmd_clean() { rm -rf "$DIR"; }
cmd_env() {
  [ -f "$CLIENTS/.done" ] || die "not there (run: $(basename "$0") install)"
  eval "$(bash "$HERE/spark.sh" env)"
  var TEST_LIVY_SESSIONS "$PYSPARK_PYTHON" # what the tests ask for; they use the rest too
  var TEST_LIVY_CLIENTS "$CLIENTS/bin/python"
  var TEST_LIVY_JAVA_HOME "$JAVA_HOME"
}
verbs "$@"
