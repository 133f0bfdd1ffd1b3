#!/bin/sh
# Install the Debian packages that are missing, when root; otherwise print the line to run and exit 3.
set -eu

missing=""
need() { # need COMMAND PACKAGE...
    command -v "$1" >/dev/null 2>&1 || { shift; missing="$missing $*"; }
}

need gfortran gfortran
need cc gcc libc6-dev
need cmake cmake
need mpirun openmpi-bin
# mpifort alone does not tell: Debian has it in openmpi-bin, what it needs to compile in libopenmpi-dev.
echo "use mpi; end" | mpifort -x f95 -fsyntax-only - >/dev/null 2>&1 || missing="$missing libopenmpi-dev"
need nf-config libnetcdff-dev
# Models that talk over ZMQ open it at run time; pyzmq brings its own.
[ -n "$(ls /usr/lib/*/libzmq.so.5 /usr/lib64/libzmq.so.5 /usr/lib/libzmq.so.5 2>/dev/null)" ] || missing="$missing libzmq5"
# The climatologies from which examples/global/global_4deg.nc is made: a test makes it again and compares.
[ -f /usr/share/ferret-vis/data/etopo5.cdf ] || missing="$missing ferret-datasets"
"$(dirname "$0")/find_python.sh" >/dev/null 2>&1 || missing="$missing python3 python3-venv"

[ -n "$missing" ] || exit 0
line="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "System packages are missing. Run this, then the same make command again:" >&2
    echo "    sudo $line" >&2
    exit 3
fi
echo "+ $line"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
$line
