#!/usr/bin/env bash
# What Gradescope runs once, when it builds the machine that marks: a Python of its own with NumPy, and nothing else.
set -euo pipefail
apt-get update -qq && apt-get install -y -qq python3 python3-venv
python3 -m venv /autograder/env
/autograder/env/bin/pip install --quiet "numpy>=1.26"
