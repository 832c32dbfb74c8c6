#!/usr/bin/env bash
# Gradescope runs this once, as root. Grades were made elsewhere; all that is needed here is Python.
set -euo pipefail
command -v python3 >/dev/null || { apt-get update && apt-get install -y --no-install-recommends python3; }
