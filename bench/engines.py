"""Engines under measurement: how each is started, driven, looked at and stopped.

An engine is Wharf or a real dockerd (`reference.sh`); both have a socket that speaks the Engine
API, a directory that holds all their state, and processes whose memory and descriptors count.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import keeper

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = os.path.join(HERE, "reference.sh")
# Seconds that an engine may take to answer after its start, and to end.
DEADLINE_S = 60


class BenchError(Exception):
    """Something that the benchmark needs did not work."""


def reference(*args):
    """What a verb of `reference.sh` prints."""
    # A session of its own: a signal to our group must not end it halfway.
    done = subprocess.run([REFERENCE, *args], capture_output=True, text=True, check=False,
                          start_new_session=True)
    if done.returncode != 0:
        raise BenchError(f"reference.sh {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip()


def wait_for(what, condition):
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            raise BenchError(f"{what}: not within {DEADLINE_S} s")
        time.sleep(0.02)


def end_in_order():
    """Lets the first request to end unwind us, so that the engines are stopped. Further ones
    come, to all of a process group for example, and must not disturb that."""

    def end(number, _):
        for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)


def close_all(closers):
    """Calls all, whatever becomes of one."""
    for close in closers:
        try:
            close()
        except (BenchError, OSError, http.client.HTTPException) as error:
            print(f"clean-up: {error}", file=sys.stderr)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, kept alive between requests."""

    def __init__(self, path):
        super().__init__("engine", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, target, body=None):
        """One request; status and decoded answer."""
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if text else {}
        self.request(method, "/v1.43" + target, text, headers)
        response = self.getresponse()
        content = response.read()
        if content and "json" in response.headers.get("Content-Type", ""):
            # A stream of progress is many objects; nobody here needs them.
            try:
                content = json.loads(content)
            except ValueError:
                content = content.decode(errors="replace")
        return response.status, content

    def expect(self, method, target, *statuses, body=None):
        status, answer = self.call(method, target, body)
        if status not in statuses:
            raise BenchError(f"{method} {target}: status {status}: {answer}")
        return answer


class Engine:
    """What both engines share: the API of the socket."""

    name = ""
    socket = ""
    docker = ""

    def __init__(self, directory):
        self.directory = directory

    @property
    def host(self):
        return "unix://" + self.socket

    def api(self):
        return UnixConnection(self.socket)

    def answers(self):
        try:
            return self.api().call("GET", "/_ping")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def docker_cli(self, *args):
        """A docker command line for this engine."""
        return [self.docker, "-H", self.host, *args]

    def load(self, archive):
        done = subprocess.run(self.docker_cli("load", "-q", "-i", archive),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{self.name}: load: {done.stderr.strip()}")

    def remove_containers(self):
        api = self.api()
        for container in api.expect("GET", "/containers/json?all=1", 200):
            api.expect("DELETE", f"/containers/{container['Id']}?force=1&v=1", 204, 404, 409)

    def roots(self):
        """The engine's own processes, those that it starts not counted."""
        raise NotImplementedError

    def processes(self):
        """The engine's processes with all that descend from them."""
        roots = self.roots()
        return roots + keeper.children_of(roots)

    def pss_bytes(self):
        return sum(pss_bytes(pid) for pid in self.processes())

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.roots())


def pss_bytes(pid):
    """Proportional set size of a process; 0 when it is gone."""
    for line in keeper.read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


class Dockerd(Engine):
    """Docker Engine 28 of `reference.sh`."""

    def __init__(self, directory, docker, name="dockerd"):
        super().__init__(directory)
        self.docker, self.name = docker, name
        self.socket = reference("socket", directory)

    def start(self):
        reference("start", self.directory)

    def stop(self):
        reference("stop", self.directory)

    def roots(self):
        files = [os.path.join(self.directory, n) for n in ("dockerd.pid", "containerd.pid")]
        return [int(keeper.read(file)) for file in files]

    def cli(self, *args):
        return self.docker_cli(*args)

    def runtime(self, state, bundle, container):
        runc = os.path.join(reference("bin"), "runc")
        return [runc, "--root", state, "run", "--bundle", bundle, container]

    def version(self):
        return self.api().expect("GET", "/version", 200)["Version"]


class Wharf(Engine):
    """The engine of a `wharf` binary, with directories of its own."""

    name = "wharf"

    def __init__(self, directory, docker, binary, flags=()):
        super().__init__(directory)
        self.docker, self.binary, self.flags = docker, binary, flags
        self.socket = os.path.join(directory, "wharf.sock")
        self.process = None
        self.cgroups = set()

    def load(self, archive):
        super().load(archive)
        if not self.cgroups:
            self.cgroups = self.learn_cgroups()

    def learn_cgroups(self):
        """The cgroups that hold this engine's containers: those above a container's own."""
        api = self.api()
        image = api.expect("GET", "/images/json", 200)[0]["Id"]
        body = {"Image": image, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
        made = api.expect("POST", "/containers/create", 201, body=body)["Id"]
        api.expect("POST", f"/containers/{made}/start", 204)
        pid = api.expect("GET", f"/containers/{made}/json", 200)["State"]["Pid"]
        own = keeper.cgroup_directories(pid)
        api.expect("DELETE", f"/containers/{made}?force=1", 204)
        return {os.path.dirname(path) for path in own if made in path}

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        root, run = (os.path.join(self.directory, n) for n in ("root", "run"))
        with open(os.path.join(self.directory, "engine.log"), "wb") as log:
            self.process = subprocess.Popen(
                [self.binary, "engine", "--root", root, "--run", run, "--host", self.host,
                 *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for("wharf engine", lambda: self.process.poll() is not None or self.answers())
        finally:
            if self.process.poll() is not None or not self.answers():
                tail = keeper.read(log.name)[-2000:]
                print(f"wharf engine did not start:\n{tail}", file=sys.stderr)
        if not self.answers():
            raise BenchError("wharf engine did not start")

    def stop(self):
        if self.process is None:
            return
        if self.answers():
            try:
                self.remove_containers()
            except (BenchError, OSError) as error:
                print(f"wharf: {error}", file=sys.stderr)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            print("wharf engine does not end on SIGTERM", file=sys.stderr)
            self.process.kill()
            self.process.wait()
        keeper.remove_cgroups(self.cgroups, set())
        shutil.rmtree(self.directory, ignore_errors=True)

    def roots(self):
        # The spawner is the engine's child and part of it; monitors descend from the spawner and
        # are not: they are the containers' share.
        engine = self.process.pid
        return [engine, *(pid for pid in keeper.children_of([engine])
                          if keeper.parent_of(pid) == engine)]

    def processes(self):
        return [self.process.pid, *keeper.children_of([self.process.pid])]

    def cli(self, *args):
        return [self.binary, "-H", self.host, *args]

    def runtime(self, state, bundle, container):
        return [self.binary, "runtime", "--root", state, "run", "--bundle", bundle, container]

    def version(self):
        done = subprocess.run([self.binary, "--version"], capture_output=True, text=True,
                              check=False)
        return done.stdout.strip() or "?"
