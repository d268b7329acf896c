#!/bin/sh
# What the tests in tests/cluster need: the libraries of clusters, in an environment of their own.
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
