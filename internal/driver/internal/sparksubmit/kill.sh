# Has YARN end application $2. Its client is a JVM that takes seconds, so that nobody waits for it.
SPARK_HOME=$3 JAVA_HOME=$4
[ -z "$5" ] || HADOOP_CONF_DIR=$5
[ -z "$6" ] || YARN_CONF_DIR=$6
export SPARK_HOME JAVA_HOME
[ -z "${HADOOP_CONF_DIR:-}" ] || export HADOOP_CONF_DIR
[ -z "${YARN_CONF_DIR:-}" ] || export YARN_CONF_DIR
# Node.js has a program of that name too; Hadoop's has its others beside it.
if command -v yarn >/dev/null 2>&1 && command -v hadoop >/dev/null 2>&1; then
  set -- yarn application -kill "$2"
else
  set -- "$SPARK_HOME/bin/spark-class" org.apache.hadoop.yarn.client.cli.ApplicationCLI application -kill "$2"
fi
command -v setsid >/dev/null 2>&1 && set -- setsid "$@"
"$@" </dev/null >/dev/null 2>&1 &
