#!/usr/bin/env bash
# Compares Wharf with a real dockerd by the real docker CLI, see side_by_side.py and README.md.
#
#   WHARF=PATH conformance/run.sh [--only PATTERN] [--update] [--table FILE] [--verbose]
#
# WHARF is the binary (default target/release/wharf); `dockerd` compares dockerd with itself.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
wharf=${WHARF:-../target/release/wharf}
if [ "$wharf" != dockerd ]; then
    wharf=$(realpath "$wharf")
fi
../bench/reference.sh fetch
exec python3 ../bench/keeper.py --parent "${BENCH_DIR:-/var/tmp}" \
    python3 side_by_side.py --wharf "$wharf" "$@"
