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
crates='sys cgroup collector runtime monitor archive files store'
vm=$(realpath -m "$target_dir/tools/vm")
mkdir -p "$vm"
work=$(mktemp -d "$vm/suite.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Exit code 75: nothing failed, but there can be no virtual machine here.
cannot() {
    echo "The virtual machines are left out: $*"
    exit 75
}

scripts/needs.sh vm || cannot 'packages could not be installed'
for program in busybox cpio crun mkfs.ext4 qemu-system-x86_64 strip unxz zstd; do
    command -v "$program" > /dev/null || cannot "there is no $program"
done
# First of all, so that nothing is built in vain.
for kernel in "$@"; do
    scripts/vm/kernel.sh "$kernel" > /dev/null || cannot "there is no kernel $kernel"
done

# Copies a program of this machine, with its libraries, in the place of busybox's.
borrow() {
    path=$(command -v "$1")
    rm -f "$tree/bin/${1##*/}"
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
    for program in tar zstd crun; do
        borrow "$program"
    done
    # Its package takes Docker's own off a machine, so that it is not installed for this.
    runc=${WHARF_TEST_RUNC-$(realpath -m "$target_dir/tools/reference/bin/runc")}
    [ ! -x "$runc" ] || borrow "$runc"
    cp scripts/vm/guest.sh scripts/vm/engine.sh "$tree/tests/"
    grep -v '^#' scripts/vm/skipped.txt > "$tree/tests/skipped" || true

    # The same as for `make test`, so that nothing is built twice.
    cargo test --no-run --message-format=json --workspace --exclude tidy > "$work/built"
    # shellcheck disable=SC2086 # one word each
    python3 - "$work/built" $crates > "$work/programs" << 'PYTHON'
import json, pathlib, sys
built, *crates = sys.argv[1:]
for line in open(built):
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"]:
        name, kind = message["target"]["name"], message["target"]["kind"]
        crate = pathlib.Path(message["manifest_path"]).parent.name
        if message["profile"]["test"]:
            if crate in crates:
                print(f"tests/{name}.test", message["executable"])
        elif kind == ["example"]:
            # Where the tests look for it: in the directory beside their own.
            print(f"examples/{name}", message["executable"])
        elif kind == ["bin"] and name == "wharf":
            print("bin/wharf", message["executable"])
PYTHON
    while read -r path program; do
        strip -o "$tree/$path" "$program"
    done < "$work/programs"
    for crate in $crates; do
        [ -e "$tree/tests/$crate.test" ] || fail "there is no test program of $crate"
    done
    [ -e "$tree/bin/wharf" ] || fail 'there is no wharf'
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
    # One thread for both processors: with two, kernels that change their own code while the other
    # processor runs it (static keys) sometimes panic.
    accel=${WHARF_VM_ACCEL:-tcg,thread=single}
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
