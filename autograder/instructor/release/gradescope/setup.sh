#!/usr/bin/env bash
# Gradescope runs this once, as root, to build the image of the autograder.
set -euo pipefail
cd /autograder/source

# Where torch comes from: wheels without CUDA, which fit Gradescope's 768 MB. Empty means pip's own index, with CUDA.
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends libseccomp2 bubblewrap python3 python3-venv
python=python3
if ! python3 -c "import sys; sys.exit(sys.version_info < (3, 11))"; then
    # Ubuntu 22.04 has a newer one beside its own.
    apt-get install -y --no-install-recommends python3.11 python3.11-venv
    python=python3.11
fi

"$python" -m venv /autograder/venv
pip="/autograder/venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir -c constraints.txt"
$pip ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision
$pip -r requirements.txt

# The spare user that student code runs as may enter, and read nothing of the course.
chmod 711 /autograder/source
chmod 700 course
chmod 600 course/*
/autograder/venv/bin/python -m autograder doctor
