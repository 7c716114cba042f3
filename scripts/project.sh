# Sourced by the other scripts, which run from the project's top: who we are, where things lie.
# shellcheck shell=sh disable=SC2034 # what is set here is used there

# Rust that was installed for this user and is not on the path of a plain shell.
if ! command -v cargo > /dev/null && [ -x "${HOME:-/root}/.cargo/bin/cargo" ]; then
    PATH="${HOME:-/root}/.cargo/bin:$PATH"
fi

# Debian keeps programs like chroot from the path of users who are not root.
PATH=$PATH:/usr/sbin:/sbin
export PATH

target_dir=${CARGO_TARGET_DIR:-target}
triple=$(sed -n 's/^target = "\(.*\)"$/\1/p' .cargo/config.toml)

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# The version of the compiler must be the workspace's at least.
need_rust() {
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    if ! command -v cargo > /dev/null; then
        hint=''
        [ -z "${SUDO_USER-}" ] || hint=" (run make as $SUDO_USER: it calls sudo where it must)"
        fail "Rust $wanted or newer is missing: there is no cargo on the path$hint"
    fi
    found=$(rustc --version | cut -d' ' -f2)
    oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)
    [ "$oldest" = "$wanted" ] || fail "Rust $wanted or newer is missing: rustc is $found"
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo: $*"
    fi
}
