# shellcheck shell=bash disable=SC2034
# Sourced by the scripts beside it: settings, places, and finding the cluster's processes.
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
cache=${TABLEHAUL_CACHE:-$HOME/.cache/tablehaul}
jars=$cache/hadoop # as `scripts/setup hadoop` left them

CLUSTER_RUN=${CLUSTER_RUN:-$cache/hadoop-run} # configuration, data and logs of one cluster; its HADOOP_HOME, too
CLUSTER_PORT=${CLUSTER_PORT:-20000}           # first of 20 ports in a row
CLUSTER_NODES=${CLUSTER_NODES:-2}             # NodeManagers, at 127.0.0.11, 127.0.0.12, ...
CLUSTER_NODE_MB=${CLUSTER_NODE_MB:-4096}      # memory of each for containers
CLUSTER_TLS=${CLUSTER_TLS:-}                  # anything: YARN's web servers speak TLS only

say() { echo "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

# Every process of the cluster has CLUSTER_MEMBER=$CLUSTER_RUN/NAME in its environment, where NAME is that of its
# daemon; NodeManagers pass it on to their containers. So none is missed, and none that isn't ours is hit.

# members [NAME]: pids of all processes of the cluster, or of a daemon and what it started.
members() {
  local options=-lzF pid
  [ $# = 0 ] || options+=x
  { grep $options -- "CLUSTER_MEMBER=$CLUSTER_RUN/${1-}" /proc/[0-9]*/environ 2>/dev/null || true; } |
    while IFS=/ read -r _ _ pid _; do echo "$pid"; done
}

# pid_of NAME: the pid of that daemon; fails if it doesn't run. What it started has its environment, but not its arguments.
pid_of() {
  local pid
  for pid in $(members "$1"); do
    if grep -qzxF -- "-Dcluster.daemon=$CLUSTER_RUN/$1" "/proc/$pid/cmdline" 2>/dev/null; then
      echo "$pid"
      return
    fi
  done
  return 1
}

# slay [NAME]: SIGKILL to all members, until there are none.
slay() {
  local pids
  while pids=$(members "$@") && [ -n "$pids" ]; do
    # shellcheck disable=SC2086 # a list of numbers
    kill -KILL $pids 2>/dev/null || true
    sleep 0.05
  done
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}
