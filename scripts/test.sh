#!/bin/sh
# Runs every test of every crate, as root. Arguments go to the runner: names of tests.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

scripts/needs.sh build
scripts/needs.sh test
scripts/kernel.sh
need_rust
WHARF_TEST_DOCKER=$(scripts/docker-cli.sh)
export WHARF_TEST_DOCKER
echo "Testing with $("$WHARF_TEST_DOCKER" --version) at $WHARF_TEST_DOCKER"

# Compiled as whoever calls, run as root: namespaces, mounts and control groups are real.
if [ "$(id -u)" != 0 ]; then
    variable=CARGO_TARGET_$(echo "$triple" | tr 'a-z-' 'A-Z_')_RUNNER
    export "$variable=sudo -E"
fi

# All of it on another kernel, with control groups of version 2 alone; not for single tests.
in_vm() {
    [ "$1" = 0 ] || return 0
    scripts/vm-suite.sh 6.12 || [ $? = 75 ]
}

# The rules on the text of the project are `make check`'s.
crates='--workspace --exclude tidy'
code=0
if cargo nextest --version > /dev/null 2>&1; then
    # shellcheck disable=SC2086 # one word each
    cargo nextest run --config-file scripts/nextest.toml --no-fail-fast $crates "$@" || code=1
    in_vm $# || code=1
    exit "$code"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # one word each
{ cargo test --no-fail-fast $crates "$@" 2>&1 || echo failed > "$log.code"; } | tee "$log"
if [ -e "$log.code" ]; then
    rm -f "$log.code"
    code=1
fi
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "Summary: %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$log"
in_vm $# || code=1
exit "$code"
