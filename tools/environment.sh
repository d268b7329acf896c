#!/bin/sh
# Lay a virtual environment with this project in it: no root, nothing but Python 3.10 or newer.
#
#   sh tools/environment.sh FOLDER EXTRAS [PYTHON]
#
# FOLDER is made when it is missing and kept when it works; EXTRAS are extras of pyproject.toml
# ("examples", "dev"); PYTHON is the interpreter to use, otherwise the first fitting one of
# python3, python3.14, ..., python3.10 is. Versions come from constraints.txt; CONSTRAINTS names
# another file, or is empty for none. MORE names further packages.
set -eu

folder=$1 extras=$2 wanted=${3:-}
cd "$(dirname "$0")/.."
constraints=${CONSTRAINTS-constraints.txt}

say() { printf 'setup: %s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }

makes_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

candidates() {
    if [ -n "$wanted" ]; then
        echo "$wanted"
    else
        echo python3 python3.14 python3.13 python3.12 python3.11 python3.10 python
    fi
}

choose() {
    # A Python that can make an environment by itself is taken first, then any that fits.
    for python in $(candidates); do
        if fits "$python" && makes_venv "$python"; then echo "$python"; return; fi
    done
    for python in $(candidates); do
        if fits "$python"; then echo "$python"; return; fi
    done
    say "no Python 3.10 or newer among: $(candidates)."
    say "Install one, or name it: make ... PYTHON=/path/to/python3"
    exit 1
}

pip_of_debian() {
    # Debian and Ubuntu split ensurepip off into python3-venv. The package that holds pip can be
    # fetched and unpacked by anyone; only installing it takes root.
    command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 1
    spare=$1
    own="-o Dir::State=$spare -o Dir::State::Lists=$spare/lists -o Dir::Cache=$spare"
    own="$own -o Dir::State::Status=/var/lib/dpkg/status"
    mkdir -p "$spare/lists/partial" "$spare/archives/partial"
    cd "$spare"
    # The lists of this machine are used if it has any, others are fetched into the spare folder.
    # shellcheck disable=SC2086
    if apt-get -qq download python3-pip-whl >/dev/null 2>&1 ||
        { apt-get -qq $own update && apt-get -qq $own download python3-pip-whl; } >&2; then
        dpkg-deb -x python3-pip-whl_*.deb . && ls "$spare"/usr/share/python-wheels/pip-*.whl
    else
        return 1
    fi
}

lay() {
    python=$(choose)
    say "making $folder with $("$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')"
    if makes_venv "$python"; then
        "$python" -m venv --clear "$folder"
        return
    fi
    say "this Python comes without ensurepip (Debian: package python3-venv), looking for another way"
    if "$python" -c 'import venv, pip' >/dev/null 2>&1; then
        "$python" -m venv --clear --without-pip "$folder"
        "$python" -m pip --python "$folder/bin/python" install --quiet pip
    elif command -v uv >/dev/null 2>&1; then
        uv venv --quiet --clear --seed --python "$python" "$folder"
    elif command -v virtualenv >/dev/null 2>&1; then
        virtualenv --quiet --clear --python "$python" "$folder"
    else
        spare=$(mktemp -d)
        trap 'rm -rf "$spare"' EXIT
        if ! wheel=$(pip_of_debian "$spare"); then
            say "there is none: no pip, no uv, no virtualenv, and no apt-get that can fetch one."
            say "Install what is missing (Debian, Ubuntu: apt-get install python3-venv) or name a"
            say "Python that is complete: make ... PYTHON=/path/to/python3"
            exit 1
        fi
        "$python" -m venv --clear --without-pip "$folder"
        "$folder/bin/python" "$wheel/pip" install --quiet "$wheel"
    fi
}

works() { fits "$1" && "$1" -m pip --version >/dev/null 2>&1; }

works "$folder/bin/python" || lay

pip() { "$folder/bin/python" -m pip --disable-pip-version-check "$@"; }

say "installing superparams[$extras] into $folder"
# shellcheck disable=SC2086
pip install --quiet ${constraints:+--constraint "$constraints"} --editable ".[$extras]" ${MORE:-}
pip check
