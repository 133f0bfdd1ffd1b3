#!/bin/sh
# Print a Python >= 3.11 that can make virtual environments; exit 1 when there is none.
# PYTHON=/path/to/python overrides the search.
set -eu

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" && { echo "$PYTHON"; exit 0; }
    echo "PYTHON=$PYTHON is not a Python >= 3.11 with venv" >&2
    exit 1
fi
for candidate in python3.11 python3.12 python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    if usable "$path"; then
        echo "$path"
        exit 0
    fi
done
echo "no Python >= 3.11 with venv found: install python3 and python3-venv, or set PYTHON=" >&2
exit 1
