#!/bin/sh
# Builds the release binary and puts it at target/release/wharf.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

need_rust
cargo build --release -p wharf
mkdir -p "$target_dir/release"
# A running engine goes on with the file that it was started from: the name gets another one.
built=$target_dir/$triple/release/wharf
placed=$target_dir/release/wharf
if ! cmp -s "$built" "$placed"; then
    rm -f "$placed.new"
    ln "$built" "$placed.new" 2> /dev/null || cp "$built" "$placed.new"
    mv -f "$placed.new" "$placed"
fi
