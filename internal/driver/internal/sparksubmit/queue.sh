# Asks YARN for its queue $2, as Spark in $3 with the Java of $4 and the configurations of $5 and $6 reaches it: by the
# ResourceManager's own protocol, since its REST service may ask for a login or be shut.
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ' | cut -c1-400)"; }
at() { read -r up rest </proc/uptime && printf 'at=%s %s\n' "$1" "$up"; }
lim() { if command -v timeout >/dev/null 2>&1; then timeout 10 "$@"; else "$@"; fi; }
queue=$2 SPARK_HOME=$3 JAVA_HOME=$4
[ -z "$5" ] || HADOOP_CONF_DIR=$5
[ -z "$6" ] || YARN_CONF_DIR=$6
export SPARK_HOME JAVA_HOME
[ -z "${HADOOP_CONF_DIR:-}" ] || export HADOOP_CONF_DIR
[ -z "${YARN_CONF_DIR:-}" ] || export YARN_CONF_DIR
# Node.js has a program of that name too; Hadoop's has its others beside it.
if command -v yarn >/dev/null 2>&1 && command -v hadoop >/dev/null 2>&1; then
  set -- yarn queue -status "$queue"
else
  set -- "$SPARK_HOME/bin/spark-class" org.apache.hadoop.yarn.client.cli.QueueCLI -status "$queue"
fi
at queue
said=$(lim "$@" 2>&1 </dev/null)
at end
state=$(printf '%s\n' "$said" | sed -n 's/^[[:space:]]*State : \([A-Z]*\).*/\1/p' | head -n 1)
no=$(printf '%s\n' "$said" | grep 'Cannot get queue from RM' | head -n 1)
if [ -n "$state" ]; then
  say queue.state "$state"
elif [ -n "$no" ]; then
  say queue.unknown "$no"
else
  say queue.error "$(printf '%s\n' "$said" | tail -n 3) "
fi
