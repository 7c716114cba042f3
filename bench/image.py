#!/usr/bin/env python3
"""Makes images and bundles out of the machine's static busybox.

    image.py archive FILE [NAME:TAG]   a docker-archive that every engine loads
    image.py bundle DIR                an OCI bundle that runs `true`, for runtimes alone

Two runs give the same bytes, so that both engines get the same image id.
"""

import hashlib
import io
import itertools
import json
import os
import random
import subprocess
import sys
import tarfile

BUSYBOX = "/bin/busybox"
# A fixed day: the id of an image covers its creation time.
CREATED = "2024-01-02T03:04:05Z"
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
DIRECTORIES = ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "var", "www"]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def applets():
    """The names that busybox answers to."""
    listed = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    return sorted(set(listed.stdout.split()) - {"busybox"})


def layer():
    """The tar of the only layer: busybox, its links, a few directories."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:

        def add(name, kind, mode, content=b"", link=""):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.linkname = kind, mode, link
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

        for name in DIRECTORIES:
            add(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
        with open(BUSYBOX, "rb") as program:
            add("bin/busybox", tarfile.REGTYPE, 0o755, program.read())
        for name in applets():
            add("bin/" + name, tarfile.SYMTYPE, 0o777, link="busybox")
        for name, text in FILES.items():
            add(name, tarfile.REGTYPE, 0o644, text.encode())
    return out.getvalue()


def filler(number, size, files):
    """The tar of a layer of text, which compresses by half, in so many files."""
    out = io.BytesIO()
    choose = random.Random(number)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for index in range(files):
            entry = tarfile.TarInfo(f"filler/{number}/{index % 40}/file-{index}")
            entry.size = size // files
            content = choose.randbytes(entry.size // 2).hex().encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def archive(path, tag, more=()):
    """Writes a docker-archive with one image: of busybox and of the layers that `more` gives."""
    digests = []
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as tar:

        def add(name, content):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

        for blob in itertools.chain([layer()], more):
            digests.append(hashlib.sha256(blob).hexdigest())
            add(digests[-1] + "/layer.tar", blob)
        documents(digests, tag, add)


def documents(digests, tag, add):
    """The configuration and the manifest of an image of these layers."""
    config = {
        "architecture": os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux",
        "created": CREATED,
        "config": {"Env": [PATH], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]},
        "history": [{"created": CREATED, "created_by": "COPY busybox / # made for tests"}
                    for _ in digests],
    }
    config = json.dumps(config, sort_keys=True).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    layers = [digest + "/layer.tar" for digest in digests]
    add(name, config)
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": layers}]
    add("manifest.json", json.dumps(manifest).encode())


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def spec(args):
    """A config.json as `runc spec` writes it, without a terminal: no seccomp, no overlay."""
    caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    quiet = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": [PATH, "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", "proc"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance",
                  "ptmxmode=0666", "mode=0620", "gid=5"),
            mount("/dev/shm", "tmpfs", "shm", *quiet, "mode=1777", "size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", *quiet),
            mount("/sys", "sysfs", "sysfs", *quiet, "ro"),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", *quiet, "relatime", "ro"),
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
                            "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                            "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                              "/proc/sysrq-trigger"],
        },
    }


def bundle(path, args):
    """Writes a bundle whose root filesystem is a plain directory, to run the given command."""
    root = os.path.join(path, "rootfs")
    os.makedirs(root)
    with tarfile.open(fileobj=io.BytesIO(layer())) as tar:
        tar.extractall(root)
    with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as out:
        json.dump(spec(args), out, indent=1)


def main(args):
    if len(args) in (2, 3) and args[0] == "archive":
        archive(args[1], args[2] if len(args) == 3 else "busybox:latest")
    elif len(args) == 2 and args[0] == "bundle":
        bundle(args[1], ["true"])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
