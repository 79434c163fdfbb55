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
start() { # start ENGINE NAME: and take over what it says of itself
  if ! bash "$here/engines/$1.sh" up; then
    missing "$2" "it did not start"
    return
  fi
  started+=("$1")
  eval "$(bash "$here/engines/$1.sh" env)"
}
root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# PostgreSQL, a private one: root may install it, others need Debian's package.
if [ -z "${TEST_POSTGRES_URL:-}" ]; then
  if ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || root; then
    start postgres postgres
  else
    missing postgres "install Debian's package postgresql, or run as root"
  fi
fi

# Two machines behind OpenSSH, in network namespaces of their own: only root can make them.
if [ -z "${TEST_SSHD:-}" ]; then
  if root; then
    start sshd sshd
  else
    missing sshd "it takes root to make network namespaces"
  fi
fi

# A Docker Engine of its own, with base images: only root can start it.
if [ -z "${TEST_DOCKER:-}" ]; then
  if root; then
    start docker docker
  else
    missing docker "it takes root to start a Docker Engine"
  fi
fi

# Slurm on this machine: only root can install it.
if [ -z "${TEST_SLURM:-}" ]; then
  if root; then
    start slurm slurm
  else
    missing slurm "it takes root to install Slurm"
  fi
fi

# Spark, with an sshd by which this machine is its head node: only root can install them.
if [ -z "${TEST_SPARK:-}" ]; then
  if root; then
    start spark spark
  else
    missing spark "it takes root to install a Java runtime and sshd"
  fi
fi

# Programs for arm64, which the agent of such machines is tested with.
if [ -z "${TEST_QEMU:-}" ]; then
  if root; then
    start qemu qemu
  else
    missing qemu "it takes root to register it with the kernel"
  fi
fi

# A Livy over Spark, for batches: only root may install Java and Maven.
if [ -z "${TEST_LIVY:-}" ]; then
  if root; then
    start livy livy
  else
    missing livy "it takes root to install Java and Maven"
  fi
fi

"$@"
