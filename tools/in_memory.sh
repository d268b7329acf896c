#!/bin/sh
# in_memory.sh COMMAND...: runs pytest with its temporary folders in /dev/shm, if that has 6 GB to
# spare. The tests sync thousands of files, and half of their time is waiting for a busy disk.
# Where there is less, and with TESTS_ON_DISK=1, the folders are where pytest puts them.
set -u
folder=/dev/shm/pytest-superparams.$$
free=$(df -P -k /dev/shm 2>/dev/null | awk 'NR == 2 && $1 == "tmpfs" { print $4 }')
if [ -n "${TESTS_ON_DISK:-}" ] || [ "${free:-0}" -lt 6000000 ] || ! mkdir -m 700 "$folder"; then
    exec "$@"
fi
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
"$@" --basetemp="$folder/pytest" -o tmp_path_retention_policy=failed
