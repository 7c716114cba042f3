"""Images for suites that would pull theirs: made here, of the machine's busybox and of Debian's
packages, under the names that the suites ask for.

Every image has a label with its own name, so that no two names share an id: removing one by force
would take the other along.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import image  # noqa: E402

RELEASE = "bookworm"
# Seconds that a file system of Debian may take to be made; a slow mirror needs minutes.
DEBIAN_DEADLINE_S = 900
# A Debian file system is kept so long below target/, then made anew with newer packages.
KEPT_S = 7 * 24 * 3600

# What takes the place of the entry point of the real image: a database whose owner, password and
# name come from the environment, and the two lines by which clients know that it is ready.
POSTGRES_ENTRY = r"""#!/bin/sh
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
user=${POSTGRES_USER:-postgres}
mkdir -p /data /var/run/postgresql
chown postgres /data /var/run/postgresql
cd /
echo "${POSTGRES_PASSWORD:?set it}" >/tmp/password
chown postgres /tmp/password
gosu postgres "$bin/initdb" -D /data -U "$user" --pwfile /tmp/password -A md5 >/dev/null
rm /tmp/password
echo 'host all all all md5' >>/data/pg_hba.conf
export PGPASSWORD=$POSTGRES_PASSWORD
gosu postgres "$bin/pg_ctl" -D /data -o "-c listen_addresses=" -w start
[ "${POSTGRES_DB:-$user}" = postgres ] ||
    gosu postgres "$bin/createdb" -h /var/run/postgresql -U "$user" "${POSTGRES_DB:-$user}"
gosu postgres "$bin/pg_ctl" -D /data -w stop
exec gosu postgres "$bin/postgres" -D /data -c 'listen_addresses=*'
"""

# Names, and what differs from an image of busybox.
SMALL = {
    "busybox:latest": {},
    "alpine:latest": {},
    "alpine:3.10": {},
    "hello-world:latest": {"Cmd": ["echo", "Hello from Docker!"]},
}
# Names, packages, files beside them, and the configuration.
DEBIAN = {
    # Dockerode's tests want bash and uptime.
    "ubuntu:latest": (["procps"], {}, {"Cmd": ["bash"]}),
    "redis:7": (["redis-server", "redis-tools"], {}, {
        "Cmd": ["redis-server", "--protected-mode", "no", "--bind", "0.0.0.0"],
        "ExposedPorts": {"6379/tcp": {}}}),
    "postgres:15": (["postgresql", "gosu"], {"usr/local/bin/entry": POSTGRES_ENTRY}, {
        "Entrypoint": ["/usr/local/bin/entry"], "ExposedPorts": {"5432/tcp": {}}}),
    "python:3.13-alpine": (["python3-minimal"], {"usr/local/bin/python": "/usr/bin/python3"}, {
        "Cmd": ["python3"]}),
    "python:3.14-alpine": (["python3-minimal"], {"usr/local/bin/python": "/usr/bin/python3"}, {
        "Cmd": ["python3"]}),
}


class Missing(Exception):
    """An image cannot be made on this machine."""


def archive(path, name, layers, config):
    """Writes a docker-archive with one image of the given layers (paths of tar files)."""
    digests = [sha256(layer) for layer in layers]
    document = json.dumps({
        "architecture": os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux",
        "created": image.CREATED,
        "config": {"Env": [image.PATH], "Cmd": ["sh"], **config, "Labels": {"made-as": name}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]},
        "history": [{"created": image.CREATED, "created_by": "COPY"} for _ in layers],
    }, sort_keys=True).encode()
    config_name = hashlib.sha256(document).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name],
                 "Layers": [digest + "/layer.tar" for digest in digests]}]
    with tarfile.open(path, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for digest, layer in zip(digests, layers):
            tar.add(layer, digest + "/layer.tar")
        for member, content in [(config_name, document),
                                ("manifest.json", json.dumps(manifest).encode())]:
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def small_layers(directory):
    """Busybox, and what docker-py's tests use of alpine: the user postgres, /var/opt."""
    path = os.path.join(directory, "busybox.layer")
    with open(path, "wb") as out:
        out.write(image.layer())
    alpine = os.path.join(directory, "alpine.layer")
    with tarfile.open(alpine, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("var/opt")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
        users = image.FILES["etc/passwd"] + "postgres:x:70:70::/var/lib/postgresql:/bin/sh\n"
        for name, text in [("etc/passwd", users),
                           ("etc/group", image.FILES["etc/group"] + "postgres:x:70:\n")]:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o644, len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return [path, alpine]


def debian_layer(directory, packages):
    """The tar of a Debian with these packages, kept for a while."""
    path = os.path.join(directory, "debian-" + "-".join(packages) + ".layer")
    if os.path.exists(path) and time.time() - os.path.getmtime(path) < KEPT_S:
        return path
    part = path + ".part"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar",
               "--include=" + ",".join(packages), RELEASE, part]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=DEBIAN_DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"mmdebstrap: {error}") from error
    if done.returncode != 0:
        raise Missing("mmdebstrap: " + done.stderr.strip()[-300:])
    os.rename(part, path)
    return path


def files_layer(directory, name, files):
    """Programs beside those of packages; a text that begins with `/` is where a link leads."""
    path = os.path.join(directory, name.replace(":", "-") + "-files.layer")
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, text in files.items():
            entry = tarfile.TarInfo(member)
            entry.mode = 0o755
            if text.startswith("/"):
                entry.type, entry.linkname = tarfile.SYMTYPE, text
                tar.addfile(entry)
            else:
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def make(directory, name):
    """Makes an image's archive below `directory`; its path."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name.replace(":", "-") + ".tar")
    if name in SMALL:
        # A layer of its own, so that removing the image gives space back.
        own = files_layer(directory, name, {"etc/made-as": name + "\n"})
        archive(path, name, [*small_layers(directory), own], SMALL[name])
        return path
    packages, files, config = DEBIAN[name]
    layers = [debian_layer(directory, packages)]
    if files:
        layers.append(files_layer(directory, name, files))
    archive(path, name, layers, config)
    return path
