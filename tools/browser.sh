#!/bin/sh
# What the tests in tests/browser need: Chromium and its driver and npm from Debian, selenium, axe-core.
#   sh tools/browser.sh PYTHON
set -eu
python=$1
missing=
for program in chromium chromedriver npm; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing:$missing; as root, this command installs them" >&2
        exit 1
    fi
    apt-get update -qq
    packages=$(echo "$missing" | sed 's/chromedriver/chromium-driver/')
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
"$python" -c 'import selenium' 2>/dev/null || "$python" -m pip install --quiet 'selenium>=4.30,<5'
cd "$(dirname "$0")/../tests/browser"
npm ci --silent --no-audit --no-fund
