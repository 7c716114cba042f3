#!/bin/sh
# vm-suite.sh KERNEL...: the tests that meet the kernel, on kernels that this machine does not run
# (6.1: Debian 12's, 6.12: Debian 13's) and with control groups of version 2 alone, in a virtual
# machine. The processor is emulated: a /dev/kvm that can be opened may still hang, within another
# virtual machine. Where it works, WHARF_VM_ACCEL=kvm is quicker.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

[ $# -gt 0 ] || fail 'usage: vm-suite.sh 6.1|6.12 ...'
scripts/needs.sh build
scripts/needs.sh test
need_rust

deadline=300 # seconds for one guest
crates='sys cgroup runtime monitor store'
vm=$(realpath -m "$target_dir/tools/vm")
mkdir -p "$vm"
work=$(mktemp -d "$vm/suite.XXXXXX")
trap 'rm -rf "$work"' EXIT

missing=''
while read -r program package; do
    command -v "$program" > /dev/null || missing="$missing $package"
done << 'PROGRAMS'
cpio cpio
mkfs.ext4 e2fsprogs
qemu-system-x86_64 qemu-system-x86
strip binutils
unxz xz-utils
zstd zstd
PROGRAMS
if [ -n "$missing" ]; then
    echo "Installing what is missing:$missing"
    # shellcheck disable=SC2086 # one word each
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing
fi

# Copies a program of this machine, with its libraries, in the place of busybox's.
borrow() {
    path=$(command -v "$1")
    rm -f "$tree/bin/$1"
    cp -L "$path" "$tree/bin/"
    for library in $(ldd "$path" | grep -o '/[^ ]*'); do
        mkdir -p "$tree${library%/*}"
        cp -L "$library" "$tree$library"
    done
}

# The guest's disk: busybox, the programs under test, and what runs them.
make_tree() {
    tree=$work/tree
    for dir in bin dev etc examples proc root run sys tests tmp var/lib; do
        mkdir -p "$tree/$dir"
    done
    cp /bin/busybox "$tree/bin/"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' > "$tree/etc/passwd"
    echo 'root:x:0:' > "$tree/etc/group"
    for program in tar zstd; do
        borrow "$program"
    done
    cp scripts/vm/guest.sh scripts/vm/engine.sh "$tree/tests/"
    grep -v '^#' scripts/vm/skipped.txt > "$tree/tests/skipped" || true

    set --
    for crate in $crates; do
        set -- "$@" -p "$crate"
    done
    cargo test --no-run --message-format=json "$@" > "$work/built"
    python3 - "$work/built" > "$work/programs" << 'PYTHON'
import json, sys
for line in open(sys.argv[1]):
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"]:
        name = message["target"]["name"]
        if message["profile"]["test"]:
            print(f"tests/{name}.test", message["executable"])
        elif message["target"]["kind"] == ["example"]:
            # Where the tests look for it: in the directory beside their own.
            print(f"examples/{name}", message["executable"])
PYTHON
    while read -r path program; do
        strip -o "$tree/$path" "$program"
    done < "$work/programs"
    for crate in $crates; do
        [ -e "$tree/tests/$crate.test" ] || fail "there is no test program of $crate"
    done
    cargo build -p wharf
    strip -o "$tree/bin/wharf" "$target_dir/$triple/debug/wharf"
}

# Loads the modules, and hands over to the disk.
make_initramfs() {
    initramfs=$work/initramfs
    rm -rf "$initramfs"
    mkdir -p "$initramfs/bin" "$initramfs/dev" "$initramfs/disk" "$initramfs/modules"
    cp /bin/busybox "$initramfs/bin/"
    cp scripts/vm/init.sh "$initramfs/init"
    cp "$1"/modules/* "$initramfs/modules/"
    (cd "$initramfs" && find . | cpio --quiet -o -H newc) > "$work/initramfs.cpio"
}

# Boots the kernel in the directory $1; the console goes to the log $2.
boot() {
    make_initramfs "$1"
    truncate -s 0 "$work/disk"
    truncate -s 2G "$work/disk"
    mkfs.ext4 -q -F -O '^has_journal' -d "$work/tree" "$work/disk"
    accel=${WHARF_VM_ACCEL:-tcg}
    echo "== Linux $kernel in qemu, by $accel"
    timeout "$deadline" qemu-system-x86_64 -nodefaults -no-user-config -no-reboot \
        -display none -monitor none -serial stdio \
        -machine q35 -accel "$accel" -cpu max -smp 2 -m 1024 \
        -kernel "$1/vmlinuz" -initrd "$work/initramfs.cpio" \
        -append 'console=ttyS0 panic=1 cgroup_no_v1=all quiet' \
        -drive "file=$work/disk,if=none,id=disk,format=raw,cache=unsafe" \
        -device virtio-blk-pci,drive=disk < /dev/null 2>&1 | sed -u 's|\r$||' | tee "$2"
}

# What the log $1 comes to.
judge() {
    awk -v kernel="$kernel" -v seconds="$2" '
        /^test result:/ { passed += $4; failed += $6 }
        /^vm: .* exit / && $NF != 0 { broken++ }
        /^vm: end$/ { ended = 1 }
        END {
            if (!ended) print "the guest did not reach its end"
            printf "Linux %s: %d passed, %d failed, %d s\n", kernel, passed, failed, seconds
            exit !(ended && passed && !failed && !broken)
        }' "$1"
}

make_tree
code=0
: > "$work/summary"
for kernel in "$@"; do
    directory=$(scripts/vm/kernel.sh "$kernel")
    log=$vm/linux-$kernel.log
    begin=$(date +%s)
    boot "$directory" "$log"
    judge "$log" "$(($(date +%s) - begin))" >> "$work/summary" || code=1
done
sed 's/^/Summary of the virtual machines: /' "$work/summary"
exit "$code"
