"""A registry on loopback that stands for Docker's: Debian's docker-registry, filled with the images
that a suite pulls."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import engines  # noqa: E402

CONFIG = """version: 0.1
log: {{level: info}}
storage:
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:0
"""
LISTENS = re.compile(r"listening on (127\.0\.0\.1:\d+)")
# Seconds that one image may take to arrive; the largest are Debian systems of 200 MB.
PUSH_DEADLINE_S = 300


class Missing(Exception):
    """A registry cannot be had on this machine."""


class Registry:
    """A docker-registry with a directory of its own, on a port that the kernel chooses."""

    def __init__(self, directory):
        self.directory = directory
        self.process = None
        self.host = ""

    def start(self):
        os.makedirs(self.directory)
        config = os.path.join(self.directory, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(data=os.path.join(self.directory, "data")))
        path = os.path.join(self.directory, "log")
        with open(path, "wb") as log:
            try:
                self.process = subprocess.Popen(["docker-registry", "serve", config], env={},
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as error:
                raise Missing(f"docker-registry: {error}") from error
        engines.wait_for("docker-registry", lambda: self.process.poll() is not None
                         or LISTENS.search(engines.keeper.read(path)))
        found = LISTENS.search(engines.keeper.read(path))
        if not found:
            raise Missing("docker-registry did not start: " + engines.keeper.read(path)[-300:])
        self.host = found[1]

    def fill(self, engine, names):
        """Pushes images of `engine`, whose default registry this is."""
        for name in names:
            done = subprocess.run(engine.docker_cli("push", "-q", name), capture_output=True,
                                  text=True, check=False, timeout=PUSH_DEADLINE_S)
            if done.returncode != 0:
                raise engines.BenchError(f"push {name}: {done.stderr.strip()}")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
