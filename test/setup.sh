#!/usr/bin/env bash
# Prepares this machine for the tests, and runs a command there: test/setup.sh go test ./...
# What is not here and cannot be brought here is left out, and the tests that need it are skipped
# with a word, unless TEST_REQUIRE names it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/zaffre-test
say() { printf 'setup: %s\n' "$*" >&2; }
wanted() { case ",${TEST_REQUIRE:-}," in *",$1,"*) return 0 ;; *) return 1 ;; esac; }
missing() { # missing NAME WHY
  say "no $1: $2"
  if wanted "$1"; then exit 1; fi
}

mkdir -p "$cache"

# uv, which builds environments: the tests install it themselves into this folder, by pip.
export TEST_UV_CACHE=${TEST_UV_CACHE:-$cache/uv}
mkdir -p "$TEST_UV_CACHE"
command -v python3 >/dev/null || missing python "install python3"

# The client package that the face for files is tested with.
blob=$cache/azure-storage-blob-12.31.0
if [ -z "${TEST_BLOB_PACKAGES:-}" ]; then
  if [ -d "$blob" ] || { python3 -m pip install -q --target "$blob.new" azure-storage-blob==12.31.0 && mv "$blob.new" "$blob"; }; then
    export TEST_BLOB_PACKAGES=$blob
  else
    missing blob "pip cannot install azure-storage-blob"
  fi
fi

# A Python with DuckDB, which the queries of U-SQL are computed by.
duck=$cache/duckdb-2.0.1
if [ -z "${TEST_DUCKDB_PYTHON:-}" ]; then
  if [ -d "$duck" ] || { python3 -m pip install -q --target "$duck.new/packages" duckdb==2.0.1 &&
    printf '#!/bin/sh\nPYTHONPATH=%s exec python3 "$@"\n' "'$duck/packages'" >"$duck.new/python" && chmod +x "$duck.new/python" && mv "$duck.new" "$duck"; }; then
    export TEST_DUCKDB_PYTHON=$duck/python
  else
    missing duckdb "pip cannot install duckdb"
  fi
fi

export ENGINES_DIR=${ENGINES_DIR:-$cache/engines}
started=()
stop() { for engine in "${started[@]}"; do bash "$here/engines/$engine.sh" down; done; }
trap stop EXIT
root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
start() { # start ENGINE VARIABLE NEEDS CONDITION...: unless the variable names one already; and takes over what it says of itself
  local engine=$1 variable=$2 needs=$3
  [ -z "${!variable:-}" ] || return 0
  if ! "${@:4}" >/dev/null 2>&1; then
    missing "$engine" "$needs"
  elif ! bash "$here/engines/$engine.sh" up; then
    missing "$engine" "it did not start"
  else
    started+=("$engine")
    eval "$(bash "$here/engines/$engine.sh" env)"
  fi
}

# Kubernetes takes minutes to build where that was not done yet: it goes on beside what follows.
kubernetes=
if [ -z "${TEST_KUBERNETES:-}" ] && root; then
  bash "$here/engines/kubernetes.sh" install &
  kubernetes=$!
fi

postgresql() { ls /usr/lib/postgresql/*/bin/postgres || root; }
start postgres TEST_POSTGRES_URL "install Debian's package postgresql, or run as root" postgresql
# With an sshd by which this machine is Spark's head node.
start spark TEST_SPARK "it takes root to install a Java runtime and sshd" root
# Two machines in network namespaces of their own, with the Spark from above.
export ENGINES_VM_SPARK=${ENGINES_VM_SPARK-${SPARK_HOME:-}}
start sshd TEST_SSHD "it takes root to make network namespaces" root
start docker TEST_DOCKER "it takes root to start a Docker Engine" root
start slurm TEST_SLURM "it takes root to install Slurm" root
start sparkconnect TEST_SPARK_CONNECT "it takes root to install a Java runtime" root
# Programs for arm64, which the agent of such machines is tested with.
start qemu TEST_QEMU "it takes root to register it with the kernel" root
# For batches; its sessions are simulated, with Spark below and clients that are not ours.
start livy TEST_LIVY "it takes root to install Java and Maven" root
start livysessions TEST_LIVY_SESSIONS "it takes root to install Java" root
# An emulator of Azure Storage, from npm.
npm_or_root() { command -v npm || root; }
start azurite TEST_AZURITE "install npm, or run as root" npm_or_root
# The official client of Azure Batch, by whose models the tests' simulator of it checks what is sent.
start azurebatch TEST_AZUREBATCH "python3 cannot make virtual environments" python3 -m venv --help
# One node, in a network namespace of its own.
[ -z "$kubernetes" ] || wait "$kubernetes" || true
start kubernetes TEST_KUBERNETES "it takes root to start a node" root

"$@"
