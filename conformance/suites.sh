#!/usr/bin/env bash
# Runs an SDK's own test suite against an engine, see suites.py and README.md.
#
#   WHARF=PATH conformance/suites.sh docker-py|aiodocker|dockerode|testcontainers [--update]
#
# WHARF is the binary (default target/release/wharf); `dockerd` runs the suite against dockerd.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wharf=${WHARF:-$here/../target/release/wharf}
[ "$wharf" = dockerd ] || wharf=$(realpath "$wharf")
"$here/../bench/reference.sh" fetch
exec python3 "$here/../bench/keeper.py" --parent "${BENCH_DIR:-/var/tmp}" \
    python3 "$here/suites.py" --wharf "$wharf" "$@"
