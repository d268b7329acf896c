#!/bin/sh
# What the tests in tests/cluster need: the libraries of clusters, in an environment of their own, and
# Slurm from Debian, if this is root.
#   sh tools/cluster.sh FOLDER [PYTHON]
set -eu
folder=$1 wanted=${2:-}
cd "$(dirname "$0")/.."
ready=$folder/.ready-cluster
for part in pyproject.toml constraints.txt tools/environment.sh tools/cluster.sh; do
    if [ ! -e "$ready" ] || [ "$part" -nt "$ready" ]; then
        tests="pytest pytest-timeout pytest-rerunfailures pytest-xdist psutil hypothesis numpy"
        MORE=$tests sh tools/environment.sh "$folder" dask,ray "$wanted"
        touch "$ready"
        break
    fi
done

missing=
for program in munged slurmctld slurmd sbatch; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing=yes
done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi
