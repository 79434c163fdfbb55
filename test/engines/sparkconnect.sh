#!/usr/bin/env bash
# A Spark Connect server (gRPC) on localhost, which asks for a token, from PyPI's
# pyspark 4: the server's jar is in it.  Its Python has the client.
#   install | up | down | crash | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine sparkconnect
VERSION=${ENGINES_SPARKCONNECT_VERSION:-4.0.5}
VENV=$CACHE/venv-$VERSION

cmd_install() {
  apt_need python3-venv procps
  "$HERE/spark.sh" java_home >/dev/null
  [ -f "$VENV/.done" ] && return
  log "pyspark[connect] $VERSION"
  rm -rf "$VENV"
  nice "${ENGINES_SPARK_BASE_PYTHON:-/usr/bin/python3}" -m venv "$VENV"
  # What is not needed of the 836 MB goes: examples, R, and the jars of Hive and Kubernetes.
  nice "$VENV/bin/pip" -q install --no-compile --no-cache-dir "pyspark[connect]==$VERSION" >"$DIR/pip.log" 2>&1 || { tail -20 "$DIR/pip.log" >&2; die "pip failed"; }
  rm -rf "$(home)"/{examples,data,licenses} "$(home)"/jars/{hive-exec,hive-metastore,kubernetes-,rocksdbjni}*
  touch "$VENV/.done"
}
home() { echo "$VENV"/lib/python3*/site-packages/pyspark; }
token() { [ -f "$RUN/token" ] || (umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$RUN/token"); cat "$RUN/token"; }

cmd_up() {
  cmd_install
  quick_spark "$(home)/conf"
  local p; p=$(port connect 15002)
  # The folder of the warehouse is where it is started.
  mkdir -p "$RUN/work"; cd "$RUN/work"
  SPARK_CONNECT_AUTHENTICATE_TOKEN=$(token) spawn connect env -u SPARK_REMOTE JAVA_HOME="$("$HERE/spark.sh" java_home)" SPARK_HOME="$(home)" \
    PYSPARK_PYTHON="$VENV/bin/python" SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_DIRS="$RUN/local" SPARK_NO_DAEMONIZE=1 \
    "$(home)/bin/spark-submit" --master "${ENGINES_SPARKCONNECT_MASTER:-local[1]}" --driver-memory 512m \
    --class org.apache.spark.sql.connect.service.SparkConnectServer --conf spark.connect.grpc.binding.address=127.0.0.1 \
    --conf "spark.connect.grpc.binding.port=$p" --conf spark.ui.enabled=false --conf spark.sql.catalogImplementation=in-memory spark-internal
  wait_for 90 connect tcp 127.0.0.1 "$p"
}
cmd_crash() { stop connect KILL 5; } # `up` starts it again, under the same address and token
cmd_down() { stop connect; rm -rf "$RUN"; }
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() {
  up_or_die connect
  # Not SPARK_REMOTE: spark-submit refuses to run where that is set.
  var TEST_SPARK_CONNECT "sc://localhost:$(port connect 15002)" # what the tests ask for; they use the rest too
  var ENGINES_SPARKCONNECT "$HERE/sparkconnect.sh"
  var ENGINES_SPARKCONNECT_TOKEN "$(token)"
  var ENGINES_SPARKCONNECT_PYTHON "$VENV/bin/python"
}
verbs "$@"
