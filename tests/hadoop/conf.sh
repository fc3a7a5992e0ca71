# shellcheck shell=bash
# Sourced by `up`: addresses, and Hadoop's configuration. The masters listen at 127.0.0.1, node N at 127.0.0.1N.
master=127.0.0.1
at() { echo "$master:$((CLUSTER_PORT + $1))"; }
name_node=$(at 0)
name_node_web=$(at 1)
resource_manager_web=$(at 9)
node_web_port=$((CLUSTER_PORT + 12))
history_web=$(at 15)
# Of YARN and the history server.
case $CLUSTER_TLS in
'') yarn_web=http yarn_policy=HTTP_ONLY ;;
*) yarn_web=https yarn_policy=HTTPS_ONLY ;;
esac

# key=value lines to a Hadoop configuration file; no & or < in them.
site() {
  echo '<configuration>'
  sed -nE 's|^ *([^= ]+)=(.*)|<property><name>\1</name><value>\2</value></property>|p'
  echo '</configuration>'
}

# write_conf FOLDER. Heartbeats and poll intervals are shortened; nothing else is better than the defaults.
write_conf() {
  local conf=$1
  local class_path="$conf,$jars/lib/*"
  # Hadoop replaces the ${node...}: each NodeManager gets -Dnode.host and -Dnode.dir.
  site >"$conf/core-site.xml" <<X
    fs.defaultFS=hdfs://$name_node
    hadoop.tmp.dir=$CLUSTER_RUN/tmp
    hadoop.http.staticuser.user=$(id -un)
X
  site >"$conf/hdfs-site.xml" <<X
    dfs.replication=1
    dfs.blocksize=16777216
    dfs.namenode.name.dir=file://$CLUSTER_RUN/hdfs/name
    dfs.datanode.data.dir=file://$CLUSTER_RUN/hdfs/data
    dfs.namenode.rpc-address=$name_node
    dfs.namenode.http-address=$name_node_web
    dfs.datanode.address=$(at 2)
    dfs.datanode.ipc.address=$(at 3)
    dfs.datanode.http.address=$(at 4)
    dfs.namenode.datanode.registration.ip-hostname-check=false
    dfs.namenode.resource.du.reserved=0
    dfs.namenode.safemode.extension=0
X
  site >"$conf/yarn-site.xml" <<X
    yarn.resourcemanager.hostname=$master
    yarn.resourcemanager.address=$(at 5)
    yarn.resourcemanager.scheduler.address=$(at 6)
    yarn.resourcemanager.resource-tracker.address=$(at 7)
    yarn.resourcemanager.admin.address=$(at 8)
    yarn.http.policy=$yarn_policy
    yarn.resourcemanager.webapp.address=$resource_manager_web
    yarn.resourcemanager.webapp.https.address=$resource_manager_web
    yarn.resourcemanager.am.max-attempts=4
    yarn.resourcemanager.nodemanagers.heartbeat-interval-ms=200
    yarn.nm.liveness-monitor.expiry-interval-ms=15000
    yarn.am.liveness-monitor.expiry-interval-ms=30000
    yarn.nodemanager.hostname=\${node.host}
    yarn.nodemanager.address=\${node.host}:$((CLUSTER_PORT + 10))
    yarn.nodemanager.localizer.address=\${node.host}:$((CLUSTER_PORT + 11))
    yarn.nodemanager.webapp.address=\${node.host}:$node_web_port
    yarn.nodemanager.webapp.https.address=\${node.host}:$node_web_port
    yarn.nodemanager.local-dirs=\${node.dir}/local
    yarn.nodemanager.log-dirs=\${node.dir}/logs
    yarn.nodemanager.aux-services=mapreduce_shuffle
    yarn.nodemanager.resource.memory-mb=$CLUSTER_NODE_MB
    yarn.nodemanager.resource.cpu-vcores=8
    yarn.nodemanager.vmem-check-enabled=false
    yarn.nodemanager.resource.memory.enforced=false
    yarn.nodemanager.disk-health-checker.enable=false
    yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage=100
    yarn.nodemanager.env-whitelist=JAVA_HOME,HADOOP_CONF_DIR,PATH,LANG,TZ,CLUSTER_MEMBER,AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY,AWS_REGION,AWS_EC2_METADATA_DISABLED
    yarn.log-aggregation-enable=true
    yarn.scheduler.minimum-allocation-mb=64
    yarn.scheduler.maximum-allocation-mb=$CLUSTER_NODE_MB
    yarn.application.classpath=$class_path
X
  site >"$conf/mapred-site.xml" <<X
    mapreduce.framework.name=yarn
    mapreduce.application.classpath=$class_path
    mapreduce.jobhistory.address=$(at 13)
    mapreduce.jobhistory.admin.address=$(at 14)
    mapreduce.jobhistory.http.policy=$yarn_policy
    mapreduce.jobhistory.webapp.address=$history_web
    mapreduce.jobhistory.webapp.https.address=$history_web
    mapreduce.shuffle.port=0
    mapreduce.client.progressmonitor.pollinterval=500
    mapreduce.client.completion.pollinterval=500
    yarn.app.mapreduce.am.scheduler.heartbeat.interval-ms=200
    yarn.app.mapreduce.am.resource.mb=512
    yarn.app.mapreduce.am.command-opts=-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
    mapreduce.map.memory.mb=384
    mapreduce.map.java.opts=-Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
    mapreduce.reduce.memory.mb=384
    mapreduce.reduce.java.opts=-Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
    mapreduce.task.io.sort.mb=16
X
  site >"$conf/capacity-scheduler.xml" <<X
    yarn.scheduler.capacity.root.queues=default
    yarn.scheduler.capacity.root.default.capacity=100
    yarn.scheduler.capacity.maximum-am-resource-percent=0.8
    yarn.scheduler.capacity.node-locality-delay=-1
X
  site >"$conf/ssl-server.xml" <<X
    ssl.server.keystore.type=pkcs12
    ssl.server.keystore.location=$conf/keystore.p12
    ssl.server.keystore.password=$key_password
    ssl.server.keystore.keypassword=$key_password
X
  [ -z "$CLUSTER_TLS" ] || write_certificate "$conf"
  cat >"$conf/log4j.properties" <<X
log4j.rootLogger=INFO,err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
X
}

# write_certificate FOLDER: one for all daemons, signed by itself, and certificate.pem for their clients.
key_password=changeit
write_certificate() {
  local key=("$JAVA_HOME/bin/keytool" -alias cluster -keystore "$1/keystore.p12" -storepass "$key_password")
  local node hosts=ip:$master
  [ ! -f "$1/certificate.pem" ] || return 0
  for ((node = 1; node <= CLUSTER_NODES; node++)); do hosts+=,ip:127.0.0.1$node; done
  "${key[@]}" -genkeypair -storetype PKCS12 -keyalg EC -dname CN=cluster -ext "SAN=$hosts" 2>/dev/null
  "${key[@]}" -exportcert -rfc -file "$1/certificate.pem" 2>/dev/null
}
