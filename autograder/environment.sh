#!/bin/sh
# Prints the Python to use: the active one (virtual, conda, Colab, cluster) where it has what is needed, else the one in
# .venv, which is built when it is missing. Usage: environment.sh grading|dev
set -eu
cd "$(dirname "$0")/.."
needs="torch torchvision numpy safetensors msgpack rich jinja2 tqdm matplotlib"
what="-e ."
[ -f pyproject.toml ] || what="-r requirements.txt" # the bundle of students
if [ "${1:-grading}" = dev ]; then
    needs="$needs pytest pytest_timeout xdist hypothesis nbgrader yaml distributed ruff pyrefly diffusers markdown_it"
    needs="$needs mdit_py_plugins latex2mathml copydetect canvasapi babel docutils dask_jobqueue mutmut selenium msgspec nh3 psutil"
    what="-e .[dev]"
fi
for python in python3 .venv/bin/python; do
    if command -v "$python" >/dev/null && "$python" -c "
import importlib.util, sys
sys.exit(sys.version_info < (3, 11) or not all(map(importlib.util.find_spec, '$needs'.split())))"; then
        echo "$python"
        exit
    fi
done
if ! python3 -c "import sys; sys.exit(sys.version_info < (3, 11))"; then
    echo "This kit needs Python 3.11 or later; python3 here is $(python3 --version 2>&1)." >&2
    exit 1
fi
echo "The active Python lacks some of: $needs. Building .venv (about 2 minutes, 6 GB) ..." >&2
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $what >&2
echo .venv/bin/python
