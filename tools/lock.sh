#!/bin/sh
# Make constraints.txt: every version of every dependency, for each Python and platform.
#
#   sh tools/lock.sh UV [--upgrade]
#
# Versions that the file already holds stay while they fit.
set -eu
uv=$1
shift
cd "$(dirname "$0")/.."
new=$(mktemp)
trap 'rm -f "$new"' EXIT
cp constraints.txt "$new"
"$uv" pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate --no-header \
    "$@" pyproject.toml --output-file "$new"
{
    echo '# What `make demo` and `make test` install, to the version, for Python 3.10 to 3.14.'
    echo '# Made by `make lock`: do not edit.'
    cat "$new"
} >constraints.txt
