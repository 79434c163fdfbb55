#!/usr/bin/env bash
# A Kubernetes of one node, every program real: etcd and containerd from Debian, the rest built from the Go proxy
# (the module in kubernetes/), and CoreDNS. All of it lives in a network namespace of its own, so that neither
# kube-proxy's rules nor its addresses meet those of docker.sh and sshd.sh:
#   10.251.0.1        the node, and the API server at port 6443; this machine is 10.251.0.254 to it
#   10.252.0.0/24     pods
#   10.253.0.0/24     services; this machine reaches both
# There is no registry: the node has one image, zaffre-test/python:3.11 (Debian with python3 and this machine's
# certificates). Pods reach what this machine reaches. ENGINES_KUBERNETES_CLUSTER=N, with an ENGINES_DIR of its own,
# makes one beside the others, at 10.251.N.1 and so on. Tests that take a part away hold $RUN/lock alone, the others share it.
#   install | up | down | env | load TAR|- | kubectl ... | stop PART [SIGNAL] | start PART | kwok NODES | clean
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
engine kubernetes
VERSION=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" {print $3}' "$HERE/kubernetes/go.mod")
BIN=$CACHE/bin-$VERSION
N=${ENGINES_KUBERNETES_CLUSTER:-0}
NS=engkube$N LINK=engkube$N BRIDGE=engcni0 CGROUP=/engkube$N
NODE=node1 NODE_IP=10.251.$N.1 HOST_IP=10.251.$N.254 POD_CIDR=10.252.$N.0/24 SERVICE_CIDR=10.253.$N.0/24
API=https://$NODE_IP:6443
PKI=$RUN/pki CONF=$RUN/conf SOCK=$RUN/containerd.sock
PAUSE=zaffre-test/pause:1 IMAGE=docker.io/zaffre-test/python:3.11
CA=/etc/ssl/certs/ca-certificates.crt

cmd_install() {
  apt_need etcd-server containerd containernetworking-plugins iptables conntrack openssl curl iproute2 ca-certificates
  [ -f "$BIN/.done" ] || build
  [ -x "$KWOK" ] || build_kwok
}
build() {
  command -v go >/dev/null || die "needs Go"
  log "building Kubernetes $VERSION (minutes when Go's build cache is cold)"
  mkdir -p "$BIN"
  local minor=${VERSION#v1.} p=k8s.io/component-base/version
  ( cd "$HERE/kubernetes"
    export GOWORK=off CGO_ENABLED=0 GOFLAGS=-mod=readonly
    nice -n 19 go build -trimpath -ldflags "-s -w -X $p.gitVersion=$VERSION -X $p.gitMajor=1 -X $p.gitMinor=${minor%%.*} -X $p.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$VERSION" \
      -o "$BIN/" ./pause $(printf 'k8s.io/kubernetes/cmd/%s ' kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)
    cd coredns
    nice -n 19 go build -trimpath -ldflags "-s -w" -o "$BIN/" .
  ) >"$DIR/build.log" 2>&1 || { tail -20 "$DIR/build.log" >&2; die "build failed"; }
  touch "$BIN/.done"
}

network() {
  [ ! -e "/run/netns/$NS" ] || return 0
  ip netns add $NS
  ip link add $LINK type veth peer name eth0 netns $NS
  ip addr add $HOST_IP/24 dev $LINK; ip link set $LINK up
  ip -n $NS addr add $NODE_IP/24 dev eth0
  ip -n $NS link set lo up; ip -n $NS link set eth0 up
  ip -n $NS route add default via $HOST_IP
  ip -n $NS route add $SERVICE_CIDR dev lo src $NODE_IP # kube-proxy rewrites these; never by the default route
  inside sysctl -qw net.ipv4.ip_forward=1
  inside iptables -w -t nat -A POSTROUTING -s $POD_CIDR ! -d $POD_CIDR ! -o $BRIDGE -j MASQUERADE
  ip route replace $POD_CIDR via $NODE_IP; ip route replace $SERVICE_CIDR via $NODE_IP
  sysctl -qw net.ipv4.ip_forward=1
  nat -I
}
nat() { # nat -I|-D: pods reach what this machine reaches, whatever docker.sh says of FORWARD
  iptables -w -t nat "$1" POSTROUTING -s 10.251.$N.0/24 ! -o $LINK -j MASQUERADE
  iptables -w "$1" FORWARD -i $LINK ! -o $LINK -j ACCEPT
  iptables -w "$1" FORWARD -o $LINK -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}
unnetwork() { # takes the namespace away, with every process in it
  [ -e "/run/netns/$NS" ] || return 0
  local p
  for p in $(ip netns pids $NS 2>/dev/null); do kill -KILL "$p" 2>/dev/null || true; done
  nat -D 2>/dev/null || true
  ip link del $LINK 2>/dev/null || true
  ip netns del $NS
}
# Not "ip netns exec", which has a mount namespace for each program: containerd, the kubelet and pods share mounts.
inside() { nsenter --net=/run/netns/$NS "$@"; }
run() { local key=$1; shift; spawn "$key" nsenter --net=/run/netns/$NS "$@"; }

# The pods' cgroups are below one of this cluster's own: a kubelet takes away what it does not know.
cgroups() { [ -f /sys/fs/cgroup/cgroup.controllers ] && echo /sys/fs/cgroup || awk '$3 == "cgroup" {print $2}' /proc/self/mounts; }
uncgroup() { find /sys/fs/cgroup -depth \( -path "*$CGROUP" -o -path "*$CGROUP/*" \) -type d -exec rmdir {} + 2>/dev/null || true; }

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"; }
cert() { # cert NAME SUBJECT [SAN]
  key "$1"
  openssl req -new -key "$PKI/$1.key" -subj "$2" -out "$PKI/$1.csr"
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 365 \
    -out "$PKI/$1.crt" -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${3:+subjectAltName=$3}") 2>/dev/null
}
kubeconfig() { # kubeconfig NAME: a self-contained one for pki/NAME
  cat >"$CONF/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 <"$PKI/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 <"$PKI/$1.crt"), client-key-data: $(base64 -w0 <"$PKI/$1.key")}}]
contexts: [{name: test, context: {cluster: test, user: $1}}]
current-context: test
EOF
  chmod 600 "$CONF/$1.kubeconfig"
}
pki() {
  [ ! -f "$PKI/.done" ] || return 0
  mkdir -p "$PKI" "$CONF"; chmod 700 "$PKI"
  key ca
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=zaffre-test-ca -days 365 -out "$PKI/ca.crt"
  cert apiserver /CN=kube-apiserver "IP:$NODE_IP,IP:127.0.0.1,IP:10.253.$N.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  cert admin /O=system:masters/CN=admin
  cert controller-manager /CN=system:kube-controller-manager
  cert scheduler /CN=system:kube-scheduler
  cert proxy /CN=system:kube-proxy
  cert kubelet "/O=system:nodes/CN=system:node:$NODE" "IP:$NODE_IP,DNS:$NODE"
  key sa
  local n; for n in admin controller-manager scheduler proxy kubelet; do kubeconfig $n; done
  touch "$PKI/.done"
}

containerd_up() {
  mkdir -p "$CONF/cni" "$CONF/certs.d/$HOST_IP:5251"
  printf 'server = "%s"\n\n[host."%s"]\n  capabilities = ["pull", "resolve"]\n' "http://$HOST_IP:5251" "http://$HOST_IP:5251" >"$CONF/certs.d/$HOST_IP:5251/hosts.toml"
  cat >"$CONF/containerd.toml" <<EOF
version = 2
root = "$DIR/containerd"
state = "$RUN/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$SOCK"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/$PAUSE"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$CONF/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CONF/cni"
EOF
  cat >"$CONF/cni/10-test.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "test", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$RUN/cni", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "loopback"}]}
EOF
  containerd_start
  has_image docker.io/$PAUSE || image $PAUSE '"Entrypoint":["/pause"],"User":"65535:65535"' < <(tar -C "$BIN" --owner=0 --group=0 -cf - pause) | cmd_load
  has_image $IMAGE || base_image | cmd_load
}
containerd_start() {
  run containerd containerd --config "$CONF/containerd.toml"
  wait_for 30 containerd ctr -a "$SOCK" version
}
has_image() { [ -n "$(ctr -a "$SOCK" -n k8s.io images ls -q "name==$1")" ]; }
base_image() {
  local tar=$ENGINES_DIR/docker/cache/debian.tar # docker.sh makes its image of the same tree
  [ -f "$tar" ] || { tar=$CACHE/debian.tar; debian_tar "$tar"; }
  image ${IMAGE#docker.io/} '"Cmd":["/bin/bash"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","LANG=C.UTF-8","SSL_CERT_FILE='$CA'","REQUESTS_CA_BUNDLE='$CA'"]' <"$tar"
}
image() { # image NAME CONFIG <LAYER: writes a docker-archive of one layer
  local t; t=$(mktemp -d)
  cat >"$t/layer.tar"
  echo '{"architecture":"'"$(go env GOARCH)"'","os":"linux","config":{'"$2"'},"rootfs":{"type":"layers","diff_ids":["sha256:'"$(sha256sum <"$t/layer.tar" | cut -d' ' -f1)"'"]}}' >"$t/config.json"
  echo '[{"Config":"config.json","RepoTags":["'"$1"'"],"Layers":["layer.tar"]}]' >"$t/manifest.json"
  tar -C "$t" -cf - manifest.json config.json layer.tar
  rm -rf "$t"
}
# load TAR: what "docker save" wrote becomes an image that pods can use.
cmd_load() { ctr -a "$SOCK" -n k8s.io images import "${1:--}" >/dev/null; }

etcd_up() {
  run etcd etcd --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380
  wait_for 30 etcd inside curl -fsS -m 5 http://127.0.0.1:2379/health
}
apiserver_up() {
  run apiserver "$BIN/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
    --bind-address $NODE_IP --advertise-address $NODE_IP --secure-port 6443 \
    --service-cluster-ip-range $SERVICE_CIDR --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --client-ca-file "$PKI/ca.crt" --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
    --kubelet-client-certificate "$PKI/admin.crt" --kubelet-client-key "$PKI/admin.key" --kubelet-certificate-authority "$PKI/ca.crt" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$PKI/sa.key" --service-account-signing-key-file "$PKI/sa.key" \
    --kubelet-preferred-address-types InternalIP --allow-privileged=true --max-requests-inflight 800 --max-mutating-requests-inflight 400
  wait_for 120 apiserver k get --raw /readyz
}
controller-manager_up() {
  run controller-manager "$BIN/kube-controller-manager" --kubeconfig "$CONF/controller-manager.kubeconfig" --leader-elect=false --kube-api-qps 500 --kube-api-burst 1000 \
    --bind-address 127.0.0.1 --use-service-account-credentials --node-monitor-grace-period 25s \
    --service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" --allocate-node-cidrs=false
}
scheduler_up() {
  run scheduler "$BIN/kube-scheduler" --kubeconfig "$CONF/scheduler.kubeconfig" --leader-elect=false --kube-api-qps 500 --kube-api-burst 1000 --bind-address 127.0.0.1
}
kubelet_up() {
  cat >"$CONF/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
healthzBindAddress: 127.0.0.1
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
containerRuntimeEndpoint: unix://$SOCK
cgroupDriver: cgroupfs
cgroupRoot: $CGROUP
podLogsDir: $RUN/logs
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [$NODE_IP]
resolvConf: /etc/resolv.conf
maxPods: 200
serializeImagePulls: false
evictionHard: {memory.available: 200Mi, nodefs.available: 2%, imagefs.available: 2%}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
nodeStatusUpdateFrequency: 5s
nodeLeaseDurationSeconds: 20
syncFrequency: 10s
EOF
  local c; for c in $(cgroups); do mkdir -p "$c$CGROUP"; done
  run kubelet "$BIN/kubelet" --config "$CONF/kubelet.yaml" --kubeconfig "$CONF/kubelet.kubeconfig" --root-dir "$RUN/kubelet" \
    --hostname-override $NODE --node-ip $NODE_IP --cert-dir "$RUN/kubelet-certs"
}
proxy_up() {
  run proxy "$BIN/kube-proxy" --kubeconfig "$CONF/proxy.kubeconfig" --hostname-override $NODE --proxy-mode iptables \
    --cluster-cidr $POD_CIDR --bind-address $NODE_IP --conntrack-max-per-core 0 --nodeport-addresses "$NODE_IP/32"
}
dns_up() {
  cat >"$CONF/Corefile" <<EOF
.:53 {
  bind $NODE_IP
  ready 127.0.0.1:8181
  errors
  cache 5
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $CONF/admin.kubeconfig test
    pods insecure
  }
  forward . /etc/resolv.conf
}
EOF
  run coredns "$BIN/coredns" -conf "$CONF/Corefile"
}


# stop PART [SIGNAL], start PART: for tests that take away apiserver, controller-manager, scheduler, kubelet or containerd,
# as a crash does. Pods stay.
part() { case $1 in apiserver | controller-manager | scheduler | kubelet | containerd) ;; *) die "no such part: $1" ;; esac; }
cmd_stop() { part "$1"; stop "$1" "${2:-KILL}" 5; }
cmd_start() {
  part "$1"
  case $1 in
  containerd) containerd_start ;;
  apiserver) apiserver_up ;;
  kubelet) kubelet_up; wait_for 60 kubelet healthy http 10248 ;;
  scheduler) scheduler_up; wait_for 60 scheduler healthy https 10259 ;;
  controller-manager) controller-manager_up; wait_for 60 controller-manager healthy https 10257 ;;
  esac
}
healthy() { inside curl -fksS -m 5 "$1://127.0.0.1:$2/healthz"; } # healthy SCHEME PORT

# kwok NODES: that many nodes more that are not there, with a taint, whose pods are said to run. 0 takes them away.
KWOK_VERSION=$(awk '$1 == "sigs.k8s.io/kwok" {print $2}' "$HERE/kubernetes/kwok/go.mod")
KWOK=$CACHE/kwok-$KWOK_VERSION
build_kwok() {
  log "building kwok $KWOK_VERSION"
  ( cd "$HERE/kubernetes/kwok"; GOWORK=off CGO_ENABLED=0 nice -n 19 go build -trimpath -ldflags "-s -w" -o "$KWOK" sigs.k8s.io/kwok/cmd/kwok ) >"$DIR/kwok.log" 2>&1 ||
    { tail -20 "$DIR/kwok.log" >&2; die "build of kwok failed"; }
}
cmd_kwok() {
  up_or_die apiserver
  if [ "$1" = 0 ]; then
    k delete nodes -l type=kwok --ignore-not-found >/dev/null
    stop kwok
    return
  fi
  run kwok "$KWOK" --kubeconfig "$CONF/admin.kubeconfig" --manage-nodes-with-label-selector type=kwok --config "$HERE/kubernetes/kwok/stages.yaml" \
    --node-lease-duration-seconds 0 --cidr 10.254.$N.0/24 --node-ip "" --server-address 127.0.0.1:10247
  local i; for ((i = 0; i < $1; i++)); do sed "s/NUMBER/$i/" "$HERE/kubernetes/kwok/node.yaml"; done | k apply -f - >/dev/null
  wait_for 60 kwok fakes_ready "$1"
}
fakes_ready() { [ "$(k get nodes -l type=kwok --no-headers | grep -c ' Ready ')" -ge "$1" ]; }

cmd_up() {
  cmd_install
  alive apiserver || alive etcd || unnetwork # what a starter that died has left
  network
  pki
  etcd_up
  containerd_up
  apiserver_up
  controller-manager_up
  scheduler_up
  kubelet_up
  proxy_up
  dns_up
  wait_for 90 kubelet k wait --for=condition=Ready "node/$NODE" --timeout=1s
  wait_for 30 controller-manager k get serviceaccount default
  wait_for 30 coredns inside curl -fsS -m 5 http://127.0.0.1:8181/ready
}
k() { "$BIN/kubectl" --kubeconfig "$CONF/admin.kubeconfig" "$@"; }
cmd_kubectl() { k "$@"; }

cmd_down() {
  if alive kubelet && alive apiserver; then
    k delete jobs,deployments,statefulsets,daemonsets,replicasets --all -A --wait=false >/dev/null 2>&1 || true
    k delete pods -A --field-selector "spec.nodeName=$NODE" --grace-period=1 --timeout=15s >/dev/null 2>&1 || true
  fi
  stop kwok; stop kubelet; stop proxy; stop coredns; stop scheduler; stop controller-manager
  if alive containerd; then
    local t
    for t in $(ctr -a "$SOCK" -n k8s.io tasks ls -q 2>/dev/null); do ctr -a "$SOCK" -n k8s.io tasks rm -f "$t" >/dev/null 2>&1 || true; done
    for t in $(ctr -a "$SOCK" -n k8s.io containers ls -q 2>/dev/null); do ctr -a "$SOCK" -n k8s.io containers rm "$t" >/dev/null 2>&1 || true; done
  fi
  stop containerd; stop apiserver TERM 5; stop etcd
  unmount "$RUN"
  unnetwork
  uncgroup
  rm -rf "$RUN"
}
cmd_clean() { cmd_down; rm -rf "$DIR"; }
cmd_env() {
  up_or_die apiserver
  var TEST_KUBERNETES "$CONF/admin.kubeconfig"
  var TEST_KUBERNETES_IMAGE "${IMAGE#docker.io/}"
  var TEST_KUBERNETES_REGISTRY "$HOST_IP:5251" # where a test's own registry is spoken to without TLS
  var TEST_KUBERNETES_CERTS "$CONF/certs.d"            # where tests tell the node how other registries are reached
  var ENGINES_KUBECTL "$BIN/kubectl"
  var ENGINES_KUBERNETES "$HERE/kubernetes.sh"
  var ENGINES_KUBERNETES_LOCK "$RUN/lock"
  var ENGINES_KUBERNETES_PKI "$PKI"
}
verbs "$@"
