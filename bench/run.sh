#!/usr/bin/env bash
# Measures Wharf beside dockerd, podman, runc and crun in one run and prints a table.
#
#   bench/run.sh [run] [runtime] [exec] [starts] [thousand] [logs] [files] [images] [memory]
#                [transfer] [peak]                                     default: all of them
#
# Environment:
#   WHARF              the binary (default target/release/wharf); `dockerd` measures a second
#                      dockerd in its place, which proves the harness itself
#   ROUNDS             rounds of the command-line benchmarks (default 20)
#   STARTS_ROUNDS      rounds of 100 starts (default 3)
#   BULK_ROUNDS        rounds of `logs`, `files`, `images` and `transfer` (default 3)
#   MEMORY_ROUNDS      rounds of the memory benchmark (default 1)
#   MEMORY_CONTAINERS  containers of the memory benchmark (default 500)
#   RESULTS            the figures as JSON go here (default: nowhere)
#   BENCH_DIR          an ext4 directory for all state (default /var/tmp)
#
# Needs root; installs what it misses.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"

wharf=${WHARF:-../target/release/wharf}
if [ "$wharf" != dockerd ]; then
    wharf=$(realpath "$wharf")
    [ -x "$wharf" ] || {
        echo "bench: no program $wharf; build it or set WHARF" >&2
        exit 1
    }
fi
[ "$(id -u)" = 0 ] || {
    echo 'bench: containers of two engines are started: root is needed' >&2
    exit 1
}
dir=$(realpath "${BENCH_DIR:-/var/tmp}")
kind=$(stat -f -c %T "$dir")
[ "$kind" = ext2/ext3 ] ||
    echo "bench: $dir is on $kind, not on ext4: figures are not comparable" >&2
../scripts/needs.sh test
./reference.sh fetch

exec python3 keeper.py --parent "$dir" python3 measure.py --wharf "$wharf" \
    --rounds "${ROUNDS:-20}" --starts-rounds "${STARTS_ROUNDS:-3}" \
    --bulk-rounds "${BULK_ROUNDS:-3}" \
    --memory-rounds "${MEMORY_ROUNDS:-1}" --memory-containers "${MEMORY_CONTAINERS:-500}" \
    ${RESULTS:+--results "$(realpath "$RESULTS")"} "$@"
