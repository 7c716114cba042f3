#!/usr/bin/env python3
"""Measures Wharf beside its peers in one run; `run.sh` calls it below `keeper.py`.

Subjects of a benchmark are run round-robin, one run of each per round, so that what else the
machine does meets all of them alike. Medians and minima are given.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time

import engines
import image
import keeper
import report
import transfer
from engines import BenchError

HERE = os.path.dirname(os.path.abspath(__file__))
BENCHMARKS = ["run", "runtime", "exec", "starts", "thousand", "logs", "files", "images", "memory",
              "transfer", "peak"]
IMAGE = "busybox"
# How many containers one round of `starts` makes, and how many requests are under way at once.
STARTS, WORKERS = 100, 8
# Containers of the benchmark `thousand`.
MANY = 1000
# What is logged and read back, copied in and out, exported, committed and saved.
BULK_BYTES = 200 * 10**6
# The image of the benchmark `images`.
LARGE_IMAGE, LARGE_BYTES, LARGE_LAYERS, LARGE_FILES = "bench-large:1", 300 * 10**6, 12, 12_000
LOG_DRIVERS = ["json-file", "local"]
# The image of the benchmark `transfer`: some 300 MB when compressed.
LAYERS, LAYER_BYTES = 20, 40_000_000
# An engine is idle when nothing was asked of it for so many seconds.
IDLE_SECONDS = 12


class Worker:
    """A `worker.py` process; hidden ones live where crun and podman work."""

    def __init__(self, hidden=False):
        argv = [sys.executable, os.path.join(HERE, "worker.py")]
        if hidden:
            argv = [engines.REFERENCE, "hide-v2", *argv]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def run(self, argv, env=None, shows="", stdout=None):
        """Milliseconds that the command took; an error if it failed or did not print `shows`. What
        it prints goes to the file `stdout`, if one is given."""
        request = {"argv": argv, "env": env or {}, "stdout": stdout}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("the worker is gone")
        answer = json.loads(line)
        if answer["status"] != 0:
            raise BenchError(f"{' '.join(argv)}: status {answer['status']}: {answer['stderr']}")
        if shows not in answer["stdout"]:
            raise BenchError(f"{' '.join(argv)}: it did not run, it printed {answer['stdout']!r}")
        return answer["seconds"] * 1000

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Podman:
    """podman with crun, all its state in one directory."""

    def __init__(self, directory, worker, archive):
        self.worker = worker
        self.env, self.argv = {}, []
        for word in engines.reference("podman-words", directory).splitlines():
            name, is_setting, value = word.partition("=")
            if self.argv or not is_setting:
                self.argv.append(word)
            else:
                self.env[name] = value
        self.run("load", "-q", "-i", archive)

    def run(self, *args, shows=""):
        return self.worker.run([*self.argv, *args], self.env, shows)

    @staticmethod
    def close():
        """Removes the cgroups that podman makes for all its containers."""
        for top in glob.glob("/sys/fs/cgroup/*/libpod_parent"):
            for path, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    # Something runs there still: ours is ended by the keeper, with its cgroups;
                    # another podman of this machine keeps its own.
                    pass


def rounds(subjects, count, warm=1):
    """Runs every subject once per round, after `warm` rounds that are not counted. `subjects` maps
    a name to a function that gives a figure or several (a dict); the figures by subject, in the
    same shape. A subject that fails is said and left out: the others are still worth having."""
    figures = {name: [] for name in subjects}
    failed = {}
    for turn in range(-warm, count):
        for name, subject in subjects.items():
            if name in failed:
                continue
            try:
                figure = subject()
            except BenchError as error:
                failed[name] = str(error)
                figures[name] = []
                print(f"  {name}: {error}", file=sys.stderr)
                continue
            if turn >= 0:
                figures[name].append(figure)
    return figures, failed


def proven(subjects, count):
    """`rounds` for command lines. Each subject is first called with a command whose output shows
    that it ran: what only pretends to run would be the fastest of all."""
    proof = {name: lambda s=s: s(["echo", "it-ran"], "it-ran") for name, s in subjects.items()}
    _, failed = rounds(proof, 0)
    timed = {name: lambda s=s: s(["true"], "") for name, s in subjects.items()
             if name not in failed}
    figures, failed_later = rounds(timed, count)
    for name in failed:
        figures[name] = []
    return {name: figures[name] for name in subjects}, {**failed, **failed_later}


class Bench:
    """The subjects of this run and what was measured."""

    def __init__(self, options, wharf, dockerd, podman, plain, hidden):
        self.options, self.wharf, self.dockerd = options, wharf, dockerd
        self.podman, self.plain, self.hidden = podman, plain, hidden
        self.directory = os.environ["KEPT_DIR"]
        self.figures = []
        self.serial = 0

    def record(self, bench, unit, measured, key=None):
        figures, failed = measured
        for subject, values in figures.items():
            values = [v[key] for v in values] if key else values
            entry = {"bench": bench, "subject": subject, "unit": unit, "n": len(values)}
            if values:
                entry.update(median=statistics.median(values), min=min(values), values=values)
            else:
                entry["failed"] = failed.get(subject, "not measured")
            self.figures.append(entry)

    def fresh(self, prefix):
        self.serial += 1
        return f"{prefix}{self.serial}"

    def command_subjects(self, *words):
        """The same command line by each client and engine; a command follows."""
        plain, podman = self.plain.run, self.podman.run
        return {
            "wharf CLI": lambda cmd, shows: plain(self.wharf.cli(*words, *cmd), shows=shows),
            "docker CLI, wharf": lambda cmd, shows: plain(
                self.wharf.docker_cli(*words, *cmd), shows=shows),
            "docker CLI, dockerd": lambda cmd, shows: plain(
                self.dockerd.docker_cli(*words, *cmd), shows=shows),
            "podman": lambda cmd, shows: podman(*words, *cmd, shows=shows),
        }

    def bench_run(self):
        """`run --rm --network none busybox true`, command line and all."""
        subjects = self.command_subjects("run", "--rm", "--network", "none", IMAGE)
        # What the docker CLI takes without doing anything, for scale.
        subjects["docker CLI alone"] = lambda cmd, shows: self.plain.run(
            [self.dockerd.docker, "--version"])
        self.record("run --rm --network none busybox true", "ms",
                    proven(subjects, self.options.rounds))

    def bench_runtime(self):
        """The same bundle by runtimes alone: directory as rootfs, no seccomp."""
        bundles = {}
        for words in (["echo", "it-ran"], ["true"]):
            bundles[words[0]] = os.path.join(self.directory, "bundle-" + words[0])
            image.bundle(bundles[words[0]], words)

        def state(name):
            return os.path.join(self.directory, "state-" + name)

        crun = [os.path.join(engines.reference("bin"), "crun"), "--root", state("crun")]
        subjects = {
            "wharf runtime": lambda cmd, shows: self.plain.run(self.wharf.runtime(
                state("wharf"), bundles[cmd[0]], self.fresh("w")), shows=shows),
            "runc": lambda cmd, shows: self.plain.run(self.dockerd.runtime(
                state("runc"), bundles[cmd[0]], self.fresh("r")), shows=shows),
            "crun": lambda cmd, shows: self.hidden.run(
                [*crun, "run", "--bundle", bundles[cmd[0]], self.fresh("c")], shows=shows),
        }
        self.record("runtime run, same bundle", "ms", proven(subjects, self.options.rounds * 2))

    def bench_exec(self):
        """`exec true` in a running container."""
        name = "bench-exec"
        words = ["run", "-d", "--name", name, "--network", "none", IMAGE, "sleep", "1000"]
        for engine in (self.wharf, self.dockerd):
            self.plain.run(engine.docker_cli(*words))
        self.podman.run(*words)
        self.record("exec true", "ms",
                    proven(self.command_subjects("exec", name), self.options.rounds))
        for engine in (self.wharf, self.dockerd):
            engine.remove_containers()
        self.podman.run("rm", "-f", "-t", "0", name)

    def clients(self):
        """Each client with the engine that it drives."""
        return {
            "wharf CLI": (self.wharf, self.wharf.cli),
            "docker CLI, wharf": (self.wharf, self.wharf.docker_cli),
            "docker CLI, dockerd": (self.dockerd, self.dockerd.docker_cli),
        }

    def bench_logs(self):
        """A container that prints a file as fast as it can, from start to end; its log read back."""
        directory = os.path.join(self.directory, "bulk")
        os.makedirs(directory)
        log_lines(os.path.join(directory, "lines"), BULK_BYTES)
        for driver in LOG_DRIVERS:
            self.logs_of(driver, directory)

    def logs_of(self, driver, directory):
        # Neither engine rotates, so that both keep all.
        words = ["run", "-d", "--network", "none", "--log-driver", driver, "--log-opt",
                 "max-size=1g", "-v", directory + ":/bulk:ro"]

        def write(engine, name):
            try:
                self.plain.run(engine.docker_cli("rm", "-f", name))
            except BenchError:
                # The first has none before it.
                pass
            took = self.plain.run(
                engine.docker_cli(*words, "--name", name, IMAGE, "cat", "/bulk/lines"))
            return took + self.plain.run(engine.docker_cli("wait", name), shows="0")

        name = "bench-log-" + driver
        writers = {e.name: lambda e=e: write(e, name) for e in (self.wharf, self.dockerd)}
        self.record(f"log of 200 MB written, {driver}", "ms",
                    rounds(writers, self.options.bulk_rounds))

        def read(engine, cli):
            return self.plain.run(cli("logs", name), stdout="/dev/null")

        def proof(engine, cli):
            count = shlex.join(cli("logs", name)) + " | wc -c"
            self.plain.run(["sh", "-c", count], shows=str(BULK_BYTES))

        for client in self.clients().values():
            proof(*client)
        readers = {n: lambda c=c: read(*c) for n, c in self.clients().items()}
        self.record(f"log of 200 MB read, {driver}", "ms",
                    rounds(readers, self.options.bulk_rounds))
        for engine in (self.wharf, self.dockerd):
            engine.remove_containers()

    def bench_files(self):
        """200 MB into a running container and out of it, its export, commit and save."""
        directory = os.path.join(self.directory, "files")
        out = os.path.join(self.directory, "files-out")
        os.makedirs(out)
        tree(directory, BULK_BYTES)
        name = "bench-files"
        for engine in (self.wharf, self.dockerd):
            self.plain.run(engine.docker_cli("run", "-d", "--name", name, "--network", "none",
                                             IMAGE, "sleep", "1000"))
        clients = self.clients()

        def bulk(title, work):
            subjects = {n: lambda n=n, c=c: work(n.split()[0], *c) for n, c in clients.items()}
            self.record(title, "ms", rounds(subjects, self.options.bulk_rounds))

        def copy_out(client, engine, cli):
            to = os.path.join(out, self.fresh(client))
            took = self.plain.run(cli("cp", f"{name}:/files", to))
            check_tree(to, BULK_BYTES)
            shutil.rmtree(to)
            return took

        def commit(client, engine, cli):
            return self.plain.run(cli("commit", name, "bench-" + client), shows="sha256:")

        bulk("cp of 200 MB in", lambda _, e, cli: self.plain.run(cli("cp", directory, name + ":/")))
        bulk("cp of 200 MB out", copy_out)
        bulk("export of 200 MB", lambda _, e, cli: self.plain.run(
            cli("export", name), stdout="/dev/null"))
        bulk("commit of 200 MB", commit)
        bulk("save of 200 MB", lambda client, e, cli: self.plain.run(
            cli("save", "bench-" + client), stdout="/dev/null"))
        for engine in (self.wharf, self.dockerd):
            engine.remove_containers()

    def bench_images(self):
        """An image of 300 MB in many layers and files: loaded, saved, removed."""
        path = os.path.join(self.directory, "large.tar")
        size, files = LARGE_BYTES // LARGE_LAYERS, LARGE_FILES // LARGE_LAYERS
        image.archive(path, LARGE_IMAGE,
                      (image.filler(number, size, files) for number in range(LARGE_LAYERS)))

        def life(cli):
            loaded = self.plain.run(cli("load", "-i", path), shows=LARGE_IMAGE)
            saved = self.plain.run(cli("save", LARGE_IMAGE), stdout="/dev/null")
            removed = self.plain.run(cli("rmi", LARGE_IMAGE), shows="Untagged")
            return {"load": loaded, "save": saved, "rmi": removed}

        subjects = {n: lambda cli=c[1]: life(cli) for n, c in self.clients().items()}
        measured = rounds(subjects, self.options.bulk_rounds)
        what = f"of 300 MB, {LARGE_LAYERS} layers, {LARGE_FILES} files"
        for key in ("load", "save", "rmi"):
            self.record(f"{key} {what}", "ms", measured, key)

    def bench_starts(self):
        """100 containers by the API, 8 requests at a time on kept connections; their removal."""
        subjects = {
            "wharf": lambda: starts(self.wharf, STARTS),
            "dockerd": lambda: starts(self.dockerd, STARTS),
        }
        measured = rounds(subjects, self.options.starts_rounds)
        self.record(f"{STARTS} starts (create and start), {WORKERS} at a time", "ms", measured,
                    "started")
        self.record(f"one create and start, {WORKERS} at a time (median)", "ms", measured, "one")
        self.record(f"{STARTS} removals, {WORKERS} at a time", "ms", measured, "removed")

    def bench_thousand(self):
        """As many idle containers as dockerd would need five gigabytes and a minute for: Wharf
        alone, once."""
        measured = rounds({"wharf": lambda: starts(self.wharf, MANY)}, 1, warm=0)
        self.record(f"{MANY} starts (create and start), {WORKERS} at a time", "ms", measured,
                    "started")
        self.record(f"{MANY} removals, {WORKERS} at a time", "ms", measured, "removed")

    def bench_memory(self):
        """Memory per idle container, of the idle engine, and descriptors per container."""
        count = self.options.memory_containers
        idle = {e.name: lambda e=e: e.pss_bytes() / 2**20 for e in (self.wharf, self.dockerd)}
        # After the benchmarks before.
        time.sleep(IDLE_SECONDS)
        self.record("idle engine before any container, PSS", "MiB", rounds(idle, 2))
        subjects = {e.name: lambda e=e: memory(e, count) for e in (self.wharf, self.dockerd)}
        measured = rounds(subjects, self.options.memory_rounds, warm=0)
        per = f"per idle container, n={count}"
        self.record(f"memory {per} (MemAvailable)", "MiB", measured, "available")
        self.record(f"PSS {per} (all processes)", "MiB", measured, "pss")
        self.record(f"processes {per}", "", measured, "processes")
        self.record(f"engine descriptors {per}", "", measured, "descriptors")
        self.record(f"noise of MemAvailable {per}", "MiB", measured, "noise")
        time.sleep(IDLE_SECONDS)
        self.record("idle engine after that work, PSS", "MiB", rounds(idle, 2))

    def bench_transfer(self):
        """An image of many layers from a registry and to one, by all clients."""
        transfer.pull_and_push(self, rounds, LAYERS, LAYER_BYTES)

    def bench_peak(self):
        """The engine's memory while much is pulled."""
        transfer.peak(self, self.wharf, rounds)
        transfer.peak(self, self.dockerd, rounds)


def log_lines(path, size):
    """Lines of a web server's log, of exactly so many bytes."""
    paths = ["/", "/api/v1/items", "/static/app.js", "/a/rather/long/path/to/some/page.html"]
    block = "".join(
        f'10.0.{n % 256}.{n % 199} - - [28/Nov/2026:03:04:{n % 60:02} +0000] '
        f'"GET {paths[n % 4]}?id={n * 7919} HTTP/1.1" 200 {n * 31 % 9973} "-" "probe/1.0"\n'
        for n in range(10_000)).encode()
    with open(path, "wb") as out:
        left = size
        while left > 0:
            # The last line is cut; the end of the file ends it.
            out.write(block[:left])
            left -= len(block)


def tree(path, size):
    """A directory of files that do not compress to nothing: one large, some of ordinary size."""
    os.makedirs(path)
    sizes = [size // 2] + [100_000] * (size // 2 // 100_000)
    for number, length in enumerate(sizes):
        with open(os.path.join(path, f"file-{number}"), "wb") as out:
            out.write(random.Random(number).randbytes(length))


def check_tree(path, size):
    found = sum(os.path.getsize(os.path.join(path, name)) for name in os.listdir(path))
    if found != size:
        raise BenchError(f"{found} bytes of {size} were copied")


def in_parallel(engine, work, items):
    """Calls `work(connection, item)` for all items, each thread with a connection of its own."""
    local = threading.local()

    def one(item):
        if not hasattr(local, "api"):
            local.api = engine.api()
        return work(local.api, item)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, items))


def start_one(api, _):
    begin = time.perf_counter()
    body = {"Image": IMAGE, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
    made = api.expect("POST", "/containers/create", 201, body=body)["Id"]
    api.expect("POST", f"/containers/{made}/start", 204)
    return made, (time.perf_counter() - begin) * 1000


def remove_one(api, container):
    api.expect("DELETE", f"/containers/{container}?force=1", 204)


def starts(engine, count):
    begin = time.perf_counter()
    made = in_parallel(engine, start_one, range(count))
    middle = time.perf_counter()
    running = len(engine.api().expect("GET", "/containers/json", 200))
    if running != count:
        raise BenchError(f"{running} of {count} containers run")
    seen = time.perf_counter()
    in_parallel(engine, remove_one, [container for container, _ in made])
    end = time.perf_counter()
    return {
        "started": (middle - begin) * 1000,
        "removed": (end - seen) * 1000,
        "one": statistics.median(ms for _, ms in made),
    }


def mem_available():
    """(KiB, noise KiB): median and spread of MemAvailable over a second."""
    samples = []
    for _ in range(10):
        for line in keeper.read("/proc/meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                samples.append(int(line.split()[1]))
        time.sleep(0.1)
    return statistics.median(samples), max(samples) - min(samples)


def settled():
    """Frees what the kernel keeps only as cache, then looks."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as out:
        out.write("3")
    available, noise = mem_available()
    everything = keeper.children_of([os.getppid()])
    return {"available": available * 1024, "noise": noise * 1024,
            "pss": sum(engines.pss_bytes(pid) for pid in everything),
            "processes": len(everything)}


def memory(engine, count):
    # The first containers warm the engine; their cost is not a container's.
    warm = in_parallel(engine, start_one, range(WORKERS))
    before, fds_before = settled(), engine.descriptors()
    made = in_parallel(engine, start_one, range(count))
    after, fds_after = settled(), engine.descriptors()
    in_parallel(engine, remove_one, [container for container, _ in warm + made])
    return {
        "available": (before["available"] - after["available"]) / count / 2**20,
        "pss": (after["pss"] - before["pss"]) / count / 2**20,
        "processes": (after["processes"] - before["processes"]) / count,
        "descriptors": (fds_after - fds_before) / count,
        "noise": max(before["noise"], after["noise"]) / count / 2**20,
    }


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wharf", required=True,
                        help="the binary, or `dockerd` to measure dockerd against itself")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--starts-rounds", type=int, default=3)
    parser.add_argument("--bulk-rounds", type=int, default=3)
    parser.add_argument("--memory-rounds", type=int, default=1)
    parser.add_argument("--memory-containers", type=int, default=500)
    parser.add_argument("--results", help="write figures to this JSON file")
    parser.add_argument("benchmarks", nargs="*", help=f"of {' '.join(BENCHMARKS)}; default all")
    parsed = parser.parse_args()
    wrong = set(parsed.benchmarks) - set(BENCHMARKS)
    if wrong:
        parser.error(f"no such benchmark: {' '.join(sorted(wrong))}")
    return parsed


def main():
    wanted = options()
    engines.end_in_order()
    directory = os.environ["KEPT_DIR"]
    docker = engines.reference("cli")
    archive = os.path.join(directory, "busybox.tar")
    image.archive(archive, IMAGE + ":latest")
    dockerd = engines.Dockerd(os.path.join(directory, "d"), docker)
    if wanted.wharf == "dockerd":
        wharf = engines.Dockerd(os.path.join(directory, "w"), docker, "wharf")
    else:
        wharf = engines.Wharf(os.path.join(directory, "w"), docker, wanted.wharf)
    workers = [Worker(), Worker(hidden=True)]
    load = [os.getloadavg()]
    try:
        for engine in (dockerd, wharf):
            engine.start()
            engine.load(archive)
        podman = Podman(os.path.join(directory, "p"), workers[1], archive)
        bench = Bench(wanted, wharf, dockerd, podman, *workers)
        for name in wanted.benchmarks or BENCHMARKS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            getattr(bench, "bench_" + name)()
        versions = {"wharf": wharf.version(), "dockerd": dockerd.version()}
        load.append(os.getloadavg())
        result = report.result(bench.figures, versions, load)
        print(report.table(result))
        if wanted.results:
            with open(wanted.results, "w", encoding="utf-8") as out:
                json.dump(result, out, indent=1)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    finally:
        engines.close_all([*(worker.close for worker in workers), wharf.stop, dockerd.stop,
                           Podman.close])


if __name__ == "__main__":
    main()
