#!/usr/bin/env bash
# The root file systems that runc's integration tests use, made of busybox-static and debootstrap
# instead of downloads: runc_images.sh TESTDATA
set -eu
data=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ! -e "$data/busybox-amd64.tar.xz" ]; then
    root=$work/busybox
    mkdir -p "$root"/{bin,dev,etc,home,root,tmp,usr/bin,usr/sbin,var/spool,var/www}
    chmod 1777 "$root/tmp"
    chmod 700 "$root/root"
    cp /bin/busybox "$root/bin/busybox"
    for applet in $(/bin/busybox --list); do
        [ "$applet" = busybox ] || ln "$root/bin/busybox" "$root/bin/$applet"
    done
    printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
        mail:x:8:8:mail:/var/spool/mail:/bin/false nobody:x:65534:65534:nobody:/home:/bin/false \
        >"$root/etc/passwd"
    printf '%s\n' root:x:0: daemon:x:1: tty:x:5: mail:x:8: wheel:x:10:root users:x:100: \
        nogroup:x:65534: >"$root/etc/group"
    tar -C "$root" -cJf "$data/busybox-amd64.tar.xz" .
fi
if [ ! -e "$data/debian-amd64.tar.xz" ]; then
    root=$work/debian
    debootstrap --variant=minbase bookworm "$root" >&2
    rm -rf "$root"/usr/share/{doc,locale,man,info,zoneinfo,i18n} "$root"/var/cache/apt \
        "$root"/var/lib/apt/lists
    # Not compressed, whatever the name says: it is unpacked for each of some fifty tests.
    tar -C "$root" --exclude './dev/*' -cf "$data/debian-amd64.tar.xz" .
fi
