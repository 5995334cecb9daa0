#!/bin/sh
# Prints the newest Python that is newer than the one named ($1) and starts: on the path, of pyenv, or of uv; or nothing.
can() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] <= tuple(map(int, sys.argv[1:])))' $2 2>/dev/null; }

than=$("$1" -c 'import sys; print(*sys.version_info[:2])') || exit 1
for version in 3.14 3.13 3.12; do
    for python in "$(command -v "python$version")" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python \
        "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}/cpython-$version".*/bin/python3; do
        if [ -n "$python" ] && can "$python" "$than"; then
            echo "$python"
            exit
        fi
    done
done
