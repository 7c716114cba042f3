"""The benchmarks `transfer` (pull and push of one image by all clients) and `peak`."""

import concurrent.futures
import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import tarfile
import urllib.request

import keeper
from engines import BenchError

# Where an image's files come from: the machine's own, so that they compress as programs do.
TOPS = ["/usr/lib", "/usr/bin", "/usr/share", "/usr/sbin"]
# What an ordinary image is made of; larger files would be half a layer each.
FILE_BYTES_MAX = 60 << 20
FORMATS = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


# 2 GB that do not compress.
PEAK_LAYERS, PEAK_LAYER_BYTES = 6, 350_000_000


class Registry:
    """Debian's registry on a loopback port, with a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory)
        config = os.path.join(directory, "config.yml")
        with open(config, "w", encoding="utf-8") as out:
            out.write("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
                      f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
                      "http: {addr: 127.0.0.1:0}\n")
        self.log = os.path.join(directory, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.port = None
        while self.port is None:
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)", keeper.read(self.log))
            self.port = found and int(found[1])
            if self.process.poll() is not None:
                raise BenchError("docker-registry did not start: " + keeper.read(self.log))

    def name(self, path):
        return f"127.0.0.1:{self.port}/{path}"

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def files():
    """The machine's files with their sizes, the same in every run."""
    for top in TOPS:
        for directory, below, names in os.walk(top):
            below.sort()
            for name in sorted(names):
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    size = os.path.getsize(path)
                    if size <= FILE_BYTES_MAX:
                        yield path, size


def archives(count, size):
    """`count` archives of so many bytes each, as far as the files reach."""
    source = files()
    for _ in range(count):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            left = size
            while left > 0:
                path, length = next(source)
                entry = tarfile.TarInfo(path.lstrip("/"))
                with open(path, "rb") as content:
                    data = content.read()
                entry.size, entry.mode, entry.mtime = len(data), 0o644, 1_600_000_000
                tar.addfile(entry, io.BytesIO(data))
                left -= length
        yield out.getvalue()


def compressed(data, kind):
    if kind == "gzip":
        return gzip.compress(data, 6, mtime=0)
    done = subprocess.run(["zstd", "-3", "-q", "-c"], input=data, capture_output=True, check=True)
    return done.stdout


def layout(directory, kind, sources):
    """Writes an OCI layout of one image of these archives; the digits of its id, and the bytes of
    its layers as they travel."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def put(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as out:
            out.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def layer(data):
        form = put(compressed(data, kind), FORMATS[kind])
        return "sha256:" + hashlib.sha256(data).hexdigest(), form

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        layers = list(pool.map(layer, sources))
    config = put(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
                         "rootfs": {"type": "layers", "diff_ids": [diff for diff, _ in layers]}}).encode(),
                 "application/vnd.oci.image.config.v1+json")
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": manifest_type,
        "config": config,
        "layers": [form for _, form in layers],
    })
    top = put(manifest.encode(), manifest_type)
    top["annotations"] = {"org.opencontainers.image.ref.name": "big"}
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as out:
        json.dump({"schemaVersion": 2, "manifests": [top]}, out)
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as out:
        out.write('{"imageLayoutVersion": "1.0.0"}')
    return config["digest"].split(":")[1], sum(form["size"] for _, form in layers)


def upload(directory, name):
    """Copies a layout to a registry as it is."""
    done = subprocess.run(["skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false",
                           f"oci:{directory}:big", "docker://" + name],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"skopeo copy to {name}: {done.stderr}")


class Client:
    """Pulls and pushes; `words(verb, ...)` is a command line."""

    def __init__(self, run, words, options=()):
        self.run, self.words, self.options = run, words, options

    def pull(self, name, image_id):
        """Milliseconds; nothing of the image is there before, all of it afterwards."""
        self.forget(name)
        os.sync()
        took = self.run(self.words("pull", "-q", *self.options, name))
        self.run(self.words("image", "inspect", "-f", "{{.Id}}", name), shows=image_id)
        return took

    def push(self, source, name):
        """Milliseconds."""
        self.run(self.words("tag", source, name))
        os.sync()
        took = self.run(self.words("push", "-q", *self.options, name))
        self.forget(name)
        return took

    def forget(self, name):
        try:
            self.run(self.words("rmi", "-f", name))
        except BenchError:
            # Before the first pull there is none.
            pass


class Skopeo:
    """skopeo, which unpacks into a storage of its own and packs from it."""

    def __init__(self, run, directory):
        self.run, self.directory = run, directory
        root, state = (os.path.join(directory, name) for name in ("root", "run"))
        self.image = f"containers-storage:[overlay@{root}+{state}]big:1"

    def pull(self, name, _):
        self.close()
        os.sync()
        return self.run(["skopeo", "copy", "-q", "--src-tls-verify=false", "docker://" + name,
                         self.image])

    def push(self, _, name):
        os.sync()
        return self.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", self.image,
                         "docker://" + name])

    def close(self):
        overlay = os.path.join(self.directory, "root", "overlay")
        subprocess.run(["umount", "-q", overlay], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)


def clients(bench, directory):
    """All of this run, by their names."""
    run, podman = bench.plain.run, bench.podman
    made = {title: Client(run, cli) for title, (_, cli) in bench.clients().items()}
    made["podman"] = Client(lambda words, shows="": podman.run(*words, shows=shows),
                            lambda *words: words, ["--tls-verify=false"])
    made["skopeo"] = Skopeo(run, os.path.join(directory, "skopeo"))
    return made


def check_there(name):
    """The registry must have what was pushed."""
    host, rest = name.split("/", 1)
    path, tag = rest.rsplit(":", 1)
    with urllib.request.urlopen(f"http://{host}/v2/{path}/tags/list") as answer:
        if tag not in json.load(answer)["tags"]:
            raise BenchError(f"{name} was not pushed")


def pull_and_push(bench, rounds, count, size):
    """The same image of many layers by all clients, from one registry and to fresh ones."""
    directory = os.path.join(bench.directory, "transfer")
    registry = Registry(os.path.join(directory, "registry"))
    subjects = clients(bench, directory)
    try:
        for kind in FORMATS:
            image = os.path.join(directory, kind)
            image_id, size_bytes = layout(image, kind, archives(count, size))
            name = registry.name(f"big/{kind}:1")
            upload(image, name)
            title = f"{kind}, {size_bytes / 1e6:.0f} MB in {count} layers"
            pulls = {n: lambda c=c: c.pull(name, image_id) for n, c in subjects.items()}
            bench.record("pull, " + title, "ms", rounds(pulls, bench.options.bulk_rounds))
            pushes = {n: lambda c=c: push_to_fresh(c, name, directory) for n, c in subjects.items()}
            bench.record("push, " + title, "ms", rounds(pushes, bench.options.bulk_rounds))
            for client in subjects.values():
                if isinstance(client, Client):
                    client.forget(name)
            shutil.rmtree(image)
    finally:
        subjects["skopeo"].close()
        registry.close()


def push_to_fresh(client, source, directory):
    registry = Registry(os.path.join(directory, "fresh"))
    try:
        name = registry.name("big/pushed:1")
        took = client.push(source, name)
        check_there(name)
        return took
    finally:
        registry.close()


def noise(count, size):
    """Archives of one file each that does not compress."""
    for number in range(count):
        source = random.Random(number)
        # Not more at a time: its length in bits must be a small number.
        data = b"".join(source.randbytes(size // 10) for _ in range(10))
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            entry = tarfile.TarInfo(f"noise-{number}")
            entry.size, entry.mtime = len(data), 1_600_000_000
            tar.addfile(entry, io.BytesIO(data))
        yield out.getvalue()


def peak(bench, engine, rounds):
    """Most memory of an engine while it pulls 2 GB."""
    directory = os.path.join(bench.directory, "peak")
    registry = Registry(os.path.join(directory, "registry"))
    try:
        image = os.path.join(directory, "image")
        image_id, _ = layout(image, "zstd", noise(PEAK_LAYERS, PEAK_LAYER_BYTES))
        name = registry.name("peak:1")
        upload(image, name)
        shutil.rmtree(image)
        client = Client(bench.plain.run, engine.docker_cli)

        def subject():
            engine_pid = engine.roots()[0]
            reset_peak(engine_pid)
            client.pull(name, image_id)
            return peak_mib(engine_pid)

        bench.record("peak memory of the engine, 2 GB pulled", "MiB",
                     rounds({engine.name: subject}, 1, warm=0))
        client.forget(name)
    finally:
        registry.close()


def peak_mib(pid):
    found = re.search(r"^VmHWM:\s+(\d+) kB", keeper.read(f"/proc/{pid}/status"), re.MULTILINE)
    return int(found[1]) / 1024


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
