#!/usr/bin/env bash
# Apache Livy 0.7.1 (livy-server from Maven Central) over spark.sh's Spark 3.5:
# batches only. Interactive sessions need livy-repl, which no registry has.
#   install | up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine livy
HOME_=$CACHE/home

cmd_install() {
  bash "$HERE/spark.sh" install
  eval "$(bash "$HERE/spark.sh" env)"
  if [ ! -f "$HOME_/jars/.done" ]; then
    apt_need maven
    log "livy-server jars"
    nice mvn -B -q -f "$HERE/livy/pom.xml" -Dmaven.repo.local="${ENGINES_MAVEN_REPO:-$HOME/.m2/repository}" \
      org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$HOME_/jars" >"$DIR/mvn.log" 2>&1 || { tail -20 "$DIR/mvn.log" >&2; die "maven failed"; }
    mkdir -p "$HOME_/rsc-jars"
    cp "$HOME_"/jars/livy-{api,client-common,rsc}-*.jar "$HOME_/rsc-jars/"
    touch "$HOME_/jars/.done"
  fi
  mkdir -p "$HOME_/repl_2.12-jars"
}
zip_dir() { # zip_dir FOLDER ZIP SUBFOLDER: .py and whatever is not a jar
  python3 - "$@" <<'PY'
import os, sys, zipfile
root, dest, sub = sys.argv[1:]
with zipfile.ZipFile(dest + ".part", "w", zipfile.ZIP_DEFLATED) as z:
    for d, _, names in os.walk(os.path.join(root, sub)):
        for n in sorted(names):
            if not n.endswith((".jar", ".pyc")):
                p = os.path.join(d, n)
                z.write(p, os.path.relpath(p, root))
os.rename(dest + ".part", dest)
PY
}

cmd_up() {
  cmd_install
  eval "$(bash "$HERE/spark.sh" env)"
  local p conf=$RUN/conf master
  p=$(port livy 18998) master=${ENGINES_LIVY_MASTER:-local[1]}
  mkdir -p "$conf" "$RUN/tmp" "${ENGINES_LIVY_FILES:=$RUN/files}"
  cat >"$conf/livy.conf" <<EOF
livy.server.host = 127.0.0.1
livy.server.port = $p
livy.spark.master = $master
livy.spark.deploy-mode = client
livy.spark.scala-version = 2.12
livy.repl.enable-hive-context = false
livy.file.local-dir-whitelist = $ENGINES_LIVY_FILES
livy.rsc.rpc.server.address = 127.0.0.1
livy.rsc.server.connect.timeout = 180s
livy.rsc.launcher.port.range = 18400~18599
EOF
  sed -n '/^livy.rsc/p' "$conf/livy.conf" >"$conf/livy-client.conf" # by default eleven ports, which a dead session gives back late
  cat >"$conf/log4j.properties" <<'EOF'
log4j.rootCategory=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n
log4j.logger.org.eclipse.jetty=WARN
EOF
  local opens=() o
  for o in lang lang.invoke lang.reflect io net nio util util.concurrent util.concurrent.atomic; do
    opens+=(--add-opens "java.base/java.$o=ALL-UNNAMED") # Kryo 2 reads private fields
  done
  if [ "$master" = yarn ]; then # appId, and sessions that survive a restart
    mkdir -p "$CACHE/state"
    printf 'livy.server.recovery.mode = recovery\nlivy.server.recovery.state-store = filesystem\nlivy.server.recovery.state-store.url = file://%s\n' "$CACHE/state" >>"$conf/livy.conf"
    sed -i 's/^livy.spark.deploy-mode = .*/livy.spark.deploy-mode = cluster/' "$conf/livy.conf"
  fi
  [ -z "${ENGINES_LIVY_CONF:-}" ] || cat "$ENGINES_LIVY_CONF" >>"$conf/livy.conf"
  spawn livy env -C "$RUN" LIVY_HOME="$HOME_" LIVY_LOG_DIR="$RUN" LIVY_CONF_DIR="$conf" \
    "$JAVA_HOME/bin/java" $QUICK_JAVA -Xmx512m -Djava.io.tmpdir="$RUN/tmp" "${opens[@]}" \
    -cp "$conf:${HADOOP_CONF_DIR:+$HADOOP_CONF_DIR:}$HOME_/jars/*" org.apache.livy.server.LivyServer
  wait_for 60 livy http "http://127.0.0.1:$p/version"
}
cmd_down() { stop livy TERM 20; rm -rf "$RUN"; }
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() {
  up_or_die livy
  var TEST_LIVY "http://127.0.0.1:$(port livy 18998)" # what the tests ask for; they use the rest too
  eval "$(bash "$HERE/spark.sh" env)"
  var ENGINES_SPARK_HOME "$SPARK_HOME"
  var ENGINES_LIVY_FILES "${ENGINES_LIVY_FILES:-$RUN/files}"
}
verbs "$@"
