# Says where Spark is on the machine, and what it needs. $2 is its folder, and $3 that of YARN's configuration, or
# "": then they are looked for. With $4 "look" it says more; $5 is the master, and $6 Java's folder or "".
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ' | cut -c1-400)"; }
at() { read -r up rest </proc/uptime && printf 'at=%s %s\n' "$1" "$up"; }
lim() { if command -v timeout >/dev/null 2>&1; then timeout 20 "$@"; else "$@"; fi; }
at spark-submit
home=$2
if [ -z "$home" ]; then
  onpath=$(command -v spark-submit 2>/dev/null)
  [ -n "$onpath" ] && onpath=$(dirname -- "$(dirname -- "$(readlink -f -- "$onpath")")")
  # HDInsight's spark-submit is a script that leads to /usr/hdp/current.
  for d in "${SPARK_HOME:-}" /usr/hdp/current/spark3-client /usr/hdp/current/spark2-client /usr/hdp/current/spark-client "$onpath" /opt/spark /usr/lib/spark /usr/local/spark; do
    [ -n "$d" ] && [ -x "$d/bin/spark-submit" ] && { home=$d; break; }
  done
fi
[ -n "$home" ] && [ -x "$home/bin/spark-submit" ] && say home "$home"
say wanted "$2"
at java
java=${6:-${JAVA_HOME:-}}
if [ -z "$6" ] && { [ -z "$java" ] || [ ! -x "$java/bin/java" ]; }; then
  java=$(command -v java 2>/dev/null)
  for d in /usr/lib/jvm/java-17* /usr/lib/jvm/java-11* /usr/lib/jvm/java-8* /usr/lib/jvm/default-java; do
    [ -n "$java" ] && break
    [ -x "$d/bin/java" ] && java=$d/bin/java
  done
  [ -n "$java" ] && java=$(dirname -- "$(dirname -- "$(readlink -f -- "$java")")")
fi
[ -n "$java" ] && [ -x "$java/bin/java" ] && say java "$java"
at configuration
[ -z "$3" ] || [ ! -f "$3/yarn-site.xml" ] || HADOOP_CONF_DIR=$3 YARN_CONF_DIR=$3
for n in HADOOP_CONF_DIR YARN_CONF_DIR SPARK_CONF_DIR SPARK_LOCAL_IP SPARK_LOCAL_DIRS HADOOP_HOME; do
  eval "v=\${$n:-}"
  [ -z "$v" ] || say "env.$n" "$v"
done
if [ -z "${HADOOP_CONF_DIR:-}${YARN_CONF_DIR:-}" ]; then
  for d in /etc/hadoop/conf /usr/hdp/current/hadoop-client/conf; do
    [ -f "$d/yarn-site.xml" ] && { say env.HADOOP_CONF_DIR "$d"; break; }
  done
fi
at version
if [ "$4" = look ] && [ -n "$home" ] && [ -n "$java" ]; then
  # Its jars say it too, without a JVM at each look.
  v=$(ls "$home/jars" 2>/dev/null | sed -n 's/^spark-core_[0-9.]*-\(.*\)\.jar$/\1/p' | head -n 1)
  if [ -z "$v" ]; then
    said=$(JAVA_HOME=$java SPARK_HOME=$home lim "$home/bin/spark-submit" --version 2>&1)
    v=$(printf '%s\n' "$said" | sed -n 's/.* version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
  fi
  if [ -n "$v" ]; then say version "$v"; else say version.error "$said "; fi
  case $5 in
  spark://*)
    at master
    rest=${5#spark://}
    rest=${rest%%,*}
    if command -v timeout >/dev/null 2>&1 && command -v bash >/dev/null 2>&1; then
      v=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "${rest%:*}" "${rest##*:}" 2>&1) || say master.error "$v "
    fi ;;
  esac
fi
at end
