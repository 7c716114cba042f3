#!/bin/sh
# Everything that can be checked without running the product.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

scripts/needs.sh build
need_rust

step() {
    echo "== $*"
    "$@"
}

step cargo fmt --all --check
step cargo clippy --workspace --all-targets -- -D warnings

# The guest programs are no cargo targets: a build script compiles them.
programs=crates/guest/programs
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for program in hello init; do
    step rustfmt --check --edition 2024 --config-path . "$programs/$program.rs"
    step clippy-driver --edition 2024 --target "$triple" -C panic=abort -D warnings \
        -D clippy::unwrap_used --emit metadata --out-dir "$out" "$programs/$program.rs"
done

step cargo test --quiet -p tidy

if command -v shellcheck > /dev/null; then
    step shellcheck -x scripts/*.sh scripts/vm/*.sh .ci/run
else
    echo '== shellcheck is not installed: the scripts are not checked'
fi
echo '== all checks passed'
