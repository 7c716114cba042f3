#!/bin/sh
# vm/kernel.sh 6.1|6.12: prints a directory with that kernel: `vmlinuz`, and in `modules/` what a
# guest needs, in the order of loading. It is Debian's package for servers, taken by apt from the
# mirror that the machine already uses and unpacked beside, without installing it.
set -eu
cd "$(dirname "$0")/../.."
. scripts/project.sh

version=${1-}
case $version in
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
*) fail 'usage: vm/kernel.sh 6.1|6.12' ;;
esac

# The first is asked for by ext4 by another name, too late for a guest without modprobe.
wanted='crc32c_generic virtio_pci virtio_blk ext4 overlay'

vm=$(realpath -m "$target_dir/tools/vm")
kernel=$vm/linux-$version
if [ -e "$kernel/vmlinuz" ]; then
    echo "$kernel"
    exit 0
fi

without() {
    fail "Debian's kernel $version cannot be had: $1"
}

command -v apt-get > /dev/null || without 'there is no apt to fetch it with'

# The first source of the machine's own suite, whatever form the sources are written in.
codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
# shellcheck disable=SC2016 # the dollar signs are apt's
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    sed -n "s/^$codename //p" | head -n 1)
[ -n "$mirror" ] || without 'apt has no source for the suite that this machine runs'

# Lists, cache and state of our own: nothing of the machine's changes.
work=$vm/fetch-$version
rm -rf "$work" "$kernel"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
: > "$work/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=''
[ ! -e "$keyring" ] || signed="signed-by=$keyring"
echo "deb [arch=amd64 $signed] $mirror $suite main" > "$work/sources.list"

private() {
    program=$1
    shift
    "$program" -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::State::Status="$work/status" \
        -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Check-Valid-Until=false "$@"
}

echo "Fetching Debian's kernel $version" >&2
private apt-get update >&2 || without 'apt-get update failed'
# An empty package points to the newest one.
package=$(private apt-cache show linux-image-amd64 |
    sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
case $package in
"linux-image-$version."*) ;;
*) without "$suite has ${package:-none}" ;;
esac
(cd "$work" && private apt-get download "$package" >&2) || without 'apt-get download failed'

# Only where the wanted ones and what they need can be: the package is large.
dpkg-deb --fsys-tarfile "$work/$package"_*.deb |
    tar -x -C "$work/tree" --wildcards './boot/vmlinuz-*' '*/modules.builtin*' '*/modules.order' \
        '*/kernel/fs/*' '*/kernel/lib/*' '*/kernel/crypto/*' '*/kernel/arch/x86/crypto/*' \
        '*/kernel/drivers/virtio/*' '*/kernel/drivers/block/*'
find "$work/tree" -name '*.ko.xz' -exec unxz {} +
modules=$(dirname "$(find "$work/tree" -name modules.order)")
busybox depmod -b "${modules%/lib/modules/*}" "${modules##*/}"

# Each line: a module, a colon, what must be there before it, the last first.
mkdir -p "$work/done/modules"
number=100
for name in $wanted; do
    line=$(grep -E "(^|/)$name\.ko:" "$modules/modules.dep" || true)
    if [ -z "$line" ]; then
        grep -q "/$name\.ko$" "$modules/modules.builtin" || without "it has no $name"
        continue
    fi
    for file in $(echo "$line" | tr -d : | tr ' ' '\n' | tac); do
        # Loaded once, by the first that needs it.
        [ -z "$(find "$work/done/modules" -name "*-${file##*/}")" ] || continue
        cp "$modules/$file" "$work/done/modules/$number-${file##*/}"
        number=$((number + 1))
    done
done
cp "$work"/tree/boot/vmlinuz-* "$work/done/vmlinuz"
mv "$work/done" "$kernel"
rm -rf "$work"
echo "$kernel"
