#!/bin/sh
# needs.sh build|test|vm: installs the Debian packages that are missing.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

case ${1-} in
build) wanted='gcc libc6-dev make ca-certificates' ;;
test) wanted='busybox-static docker-registry git libseccomp-dev mmdebstrap procps python3 uidmap
    util-linux zstd' ;;
vm) wanted='binutils busybox-static cpio crun e2fsprogs qemu-system-x86 xz-utils zstd' ;;
*) fail 'usage: needs.sh build|test|vm' ;;
esac

if ! command -v dpkg-query > /dev/null; then
    echo "This is no Debian; packages like these are needed: $wanted" >&2
    exit 0
fi

missing=''
for package in $wanted; do
    # shellcheck disable=SC2016 # the dollar sign is dpkg's
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing what is missing:$missing"
# A broken source of somebody else's packages need not stop us: the next step tells.
as_root apt-get update -q || echo 'apt-get update failed; trying with the lists as they are' >&2
# shellcheck disable=SC2086 # one word each
as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing
