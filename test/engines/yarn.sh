#!/usr/bin/env bash
# YARN 3.3.4: a real ResourceManager and NodeManager on 127.0.0.1, run from the
# hadoop-client-minicluster jar, for spark.sh's spark-submit --master yarn. It
# takes Maven and half a minute of downloads, so that test/setup.sh leaves it out.
#   install | up | down | env | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine yarn
CONF=$RUN/conf
cmd_install() {
  "$HERE/spark.sh" install
  [ -f "$CACHE/jars/.done" ] && return
  apt_need maven
  log "hadoop jars"
  nice mvn -B -q -f "$HERE/yarn/pom.xml" -Dmaven.repo.local="${ENGINES_MAVEN_REPO:-$HOME/.m2/repository}" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$CACHE/jars" >"$DIR/mvn.log" 2>&1 || { tail -20 "$DIR/mvn.log" >&2; die "maven failed"; }
  touch "$CACHE/jars/.done"
}
p() { printf '<property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }
cmd_up() {
  cmd_install
  eval "$("$HERE/spark.sh" env)"
  local rm web k n cp
  rm=$(port rm 18032) web=$(port rm-web 18090)
  mkdir -p "$CONF"
  { echo '<configuration>'; p fs.defaultFS file:///; echo '</configuration>'; } >"$CONF/core-site.xml"
  { echo '<configuration>'
    p yarn.resourcemanager.hostname 127.0.0.1; p yarn.nodemanager.hostname 127.0.0.1
    p yarn.resourcemanager.address "127.0.0.1:$rm"; p yarn.resourcemanager.webapp.address "127.0.0.1:$web"
    p yarn.resourcemanager.scheduler.address "127.0.0.1:$(port rm-scheduler 18030)"
    p yarn.resourcemanager.resource-tracker.address "127.0.0.1:$(port rm-tracker 18031)"
    p yarn.resourcemanager.admin.address "127.0.0.1:$(port rm-admin 18033)"
    p yarn.nodemanager.address "127.0.0.1:$(port nm 18041)"; p yarn.nodemanager.localizer.address "127.0.0.1:$(port nm-localizer 18040)"
    p yarn.nodemanager.webapp.address "127.0.0.1:$(port nm-web 18042)"
    p yarn.nodemanager.local-dirs "$RUN/local"; p yarn.nodemanager.log-dirs "$RUN/userlogs"
    p yarn.nodemanager.resource.memory-mb "${ENGINES_YARN_MB:-3072}"; p yarn.nodemanager.resource.cpu-vcores 8
    p yarn.scheduler.minimum-allocation-mb 256; p yarn.nodemanager.delete.debug-delay-sec 0
    p yarn.nodemanager.vmem-check-enabled false; p yarn.nodemanager.pmem-check-enabled false
    p yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage 99
    p yarn.resourcemanager.scheduler.class org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler
    echo '</configuration>'; } >"$CONF/yarn-site.xml"
  # Two queues, each of which may take all, so that one that is not there can be told: FIFO knows no names of queues.
  { echo '<configuration>'
    p yarn.scheduler.capacity.root.queues default,night
    p yarn.scheduler.capacity.root.default.capacity 50; p yarn.scheduler.capacity.root.default.maximum-capacity 100
    p yarn.scheduler.capacity.root.night.capacity 50; p yarn.scheduler.capacity.root.night.maximum-capacity 100
    p yarn.scheduler.capacity.root.default.user-limit-factor 2; p yarn.scheduler.capacity.root.night.user-limit-factor 2
    p yarn.scheduler.capacity.maximum-am-resource-percent 1
    echo '</configuration>'; } >"$CONF/capacity-scheduler.xml"
  quick_spark "$CONF"
  { for k in spark.executor.instances=1 spark.executor.memory=512m spark.driver.memory=512m spark.yarn.am.memory=512m \
      "spark.yarn.jars=local:$SPARK_HOME/jars/*" "spark.yarn.stagingDir=file://$RUN/staging"; do echo "${k%%=*} ${k#*=}"; done; } >>"$CONF/spark-defaults.conf"
  # Spark's jars supply slf4j/log4j and javax.xml.bind, which the shaded jar expects.
  cp=$(printf '%s:' "$CONF" "$CACHE/jars/*" "$SPARK_HOME"/jars/{slf4j-api,log4j-slf4j2,log4j-api,log4j-core,log4j-1.2,jcl-over,jakarta.xml.bind,jaxb-runtime,activation,istack}*)
  n=org.apache.hadoop.yarn.server
  spawn rm "$JAVA_HOME/bin/java" $QUICK_JAVA -Xmx256m --add-opens java.base/java.lang=ALL-UNNAMED -cp "$cp" $n.resourcemanager.ResourceManager
  spawn nm "$JAVA_HOME/bin/java" $QUICK_JAVA -Xmx256m --add-opens java.base/java.lang=ALL-UNNAMED -cp "$cp" $n.nodemanager.NodeManager
  wait_for 60 rm sh -c "curl -fsS http://127.0.0.1:$web/ws/v1/cluster/metrics | grep -q '\"activeNodes\":1'"
}
cmd_down() {
  stop rm TERM 5; stop nm TERM 5
  local f pid # containers run in sessions of their own and outlive a killed NodeManager
  for f in "$RUN"/local/nmPrivate/*/*/container_*.pid; do
    [ -f "$f" ] || continue
    pid=$(cat "$f")
    if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -q "^CONTAINER_ID=$(basename "$f" .pid)$"; then kill -KILL -- "-$pid" 2>/dev/null || true; fi
  done
  rm -rf "$RUN"
}
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() {
  up_or_die rm
  var TEST_YARN "$CONF" # what the tests ask for
  var HADOOP_CONF_DIR "$CONF"
  var YARN_CONF_DIR "$CONF"
  var SPARK_CONF_DIR "$CONF"
  var ENGINES_YARN_RM "http://127.0.0.1:$(port rm-web 18090)"
  var ENGINES_YARN_LOGS "$RUN/userlogs"
}
verbs "$@"
