#!/usr/bin/env bash
# PrairieLearn runs this for every submission, as root, in the image that Dockerfile makes.
set -euo pipefail
results=/grade/results

# What stands there if anything below ends early: not gradable, so that a fault of ours costs no attempt.
mkdir -p "$results"
chmod 700 "$results"
cat >"$results/results.json" <<'JSON'
{"gradable": false, "format_errors": ["Not graded: the autograder did not come to its end. This is no fault of yours. Tell your instructor."]}
JSON

# Only the course's files are secret; no one but root may read them.
mkdir -p /kit/course
mv /grade/tests/hidden.safetensors /kit/course/
chmod -R go= /kit/course /grade/tests /grade/data 2>/dev/null || true
cd /kit
# Exit status 3 means that something could not be graded here; the results say so, without a score.
python -m autograder grade /grade/student --out /kit/results --device cpu --platform prairielearn || true
mv /kit/results/prairielearn.json "$results/results.json"
