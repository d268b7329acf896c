#!/bin/sh
# Runs a Python command in a network of its own, which has the loopback interface and nothing else.
# Servers of Ray listen on all addresses, whatever they are told; there, nobody else can reach them.
# Without root, the command runs as it is.
#   sh tools/own_network.sh PYTHON [ARGUMENT]...
set -eu
if unshare -n true 2>/dev/null; then
    # 0x8914 is SIOCSIFFLAGS, 0x41 is IFF_UP and IFF_RUNNING.
    up='import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH22x", b"lo", 0x41))'
    exec unshare -n sh -c '"$2" -c "$1" && shift && exec "$@"' sh "$up" "$@"
fi
exec "$@"
