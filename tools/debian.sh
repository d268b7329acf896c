#!/bin/sh
# Run `make test` on another release of Debian, laid into a folder: a newcomer's machine, as bare
# as it gets (Python, make, no root, no ensurepip), and the way to a Python that is not here.
#
#   sudo sh tools/debian.sh [RELEASE [TARGET...]]     sid (Python 3.14) and `test` unless told
#
# Takes root for debootstrap and chroot alone. FOLDER (/tmp/superparams-RELEASE) is kept for the
# next time; MIRROR names another mirror of Debian.
set -eu
release=${1:-sid}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- test
folder=${FOLDER:-/tmp/superparams-$release}
cd "$(dirname "$0")/.."

# The mirror that apt uses here.
mirror() {
    [ -z "${MIRROR:-}" ] || { echo "$MIRROR"; return; }
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -oE '^(URIs:|deb) +[^ ]*//[^ ]+/debian/?( |$)' | awk '{ print $2; exit }'
}

command -v debootstrap >/dev/null || { echo 'needs debootstrap: apt-get install debootstrap' >&2; exit 1; }
if ! [ -e "$folder/laid" ]; then
    debootstrap --variant=minbase --include=python3,make,ca-certificates,git \
        "$release" "$folder" "$(mirror)"
    touch "$folder/laid"
fi

# The network of this machine: its resolver and its certificates.
cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
for point in proc dev sys; do
    mountpoint -q "$folder/$point" && continue
    mount --rbind "/$point" "$folder/$point"
    mount --make-rslave "$folder/$point" # so that taking it away is not heard outside
done
trap 'for point in sys dev proc; do umount -Rl "$folder/$point" 2>/dev/null || :; done' EXIT

home=/home/newcomer
mkdir -p "$folder$home/superparams"
find "$folder$home/superparams" -mindepth 1 -maxdepth 1 ! -name '.venv*' -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard |
    tar --create --null --ignore-failed-read --files-from=- |
    tar --extract --no-same-owner --directory "$folder$home/superparams"
chown -R 1000:1000 "$folder$home"
chroot --userspec=1000:1000 "$folder" /usr/bin/env -i PATH=/usr/bin:/bin HOME=$home LANG=C.UTF-8 \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt make -C "$home/superparams" "$@"
