#!/bin/sh
# From a fresh machine to a running engine. Harmless when it already runs.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

scripts/needs.sh build
scripts/kernel.sh
scripts/build.sh
as_root "$target_dir/release/wharf" up "$@"
