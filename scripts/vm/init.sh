#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the guest: from the initramfs to the disk.
export PATH=/bin
busybox mount -t devtmpfs dev /dev
for module in /modules/*; do
    busybox insmod "$module" || echo "vm: cannot load $module"
done
busybox mount -t ext4 /dev/vda /disk
busybox umount /dev
exec busybox switch_root /disk /tests/guest.sh
