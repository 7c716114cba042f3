#!/usr/bin/env bash
# Compares Wharf with a real dockerd by the real docker CLI, see side_by_side.py and README.md.
#
#   WHARF=PATH conformance/run.sh [--only PATTERN] [--update] [--table FILE] [--verbose]
#
# WHARF is the binary (default target/release/wharf); `dockerd` compares dockerd with itself.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wharf=${WHARF:-$here/../target/release/wharf}
[ "$wharf" = dockerd ] || wharf=$(realpath "$wharf")
"$here/../bench/reference.sh" fetch
exec python3 "$here/../bench/keeper.py" --parent "${BENCH_DIR:-/var/tmp}" \
    python3 "$here/side_by_side.py" --wharf "$wharf" "$@"
