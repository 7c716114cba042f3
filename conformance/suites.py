"""Runs the test suites of Docker's SDKs, and programs on testcontainers, against an engine.

    suites.sh SUITE [--update] [--table FILE]

SUITE is docker-py, aiodocker, dockerode or testcontainers. What a suite needs comes from package
registries by their own clients and lives below target/conformance/; images are made by images.py.
A suite that cannot be had is skipped, with the reason. `WHARF=dockerd` runs it against dockerd.

The table has one line per case: its name, `pass`, `fail` or `skip`, and for a failure the reason.
A reason is read off the engine's answer where it says what it has not got; others stand in
`reasons.txt`. A case that passes in the table must not fail again.
"""

import argparse
import fnmatch
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import xml.etree.ElementTree
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import engines  # noqa: E402
import images  # noqa: E402
import registry  # noqa: E402

TARGET = os.path.normpath(os.path.join(HERE, "..", "target", "conformance"))
# Seconds: a package registry may be slow; a whole suite; one of its cases.
FETCH_DEADLINE_S = 600
SUITE_DEADLINE_S = 3000
CASE_DEADLINE_S = 60
# What the engine's answers say about what it has not got, and what that is called here.
ANSWERS = [(re.compile(pattern), reason) for pattern, reason in [
    (r"not a swarm manager|Swarm: past one machine", "swarm: not part of Wharf"),
    (r"managing plugins|plugin .* not found", "managed plugins: not part of Wharf"),
    (r"publishing ports", "needs published ports"),
    (r"managing networks|has no networks yet|--link is not supported|needs a bridge network"
     r"|has none yet|network \S+ not found", "needs networks"),
    (r"managing volumes|no volumes|anonymous volumes|no such volume", "needs volumes"),
    (r"\bbuild is not supported", "needs build"),
    (r"(\w[\w ()]*) (?:are|is) not supported by this version", r"not yet: \1"),
]]


class Skipped(Exception):
    """A suite cannot be had on this machine."""


@dataclass
class Case:
    """One test and what became of it."""

    name: str
    verdict: str
    message: str = ""


def fetch(*command, cwd=None):
    """Runs a client of a package registry."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False,
                              timeout=FETCH_DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skipped(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise Skipped(f"{os.path.basename(command[0])}: {done.stderr.strip()[-300:]}")


def venv(name, *packages):
    """The python of a virtual environment with these packages."""
    directory = os.path.join(TARGET, name)
    python = os.path.join(directory, "bin", "python")
    marker = os.path.join(directory, "complete")
    wanted = "\n".join(packages)
    if not os.path.exists(marker) or engines.keeper.read(marker) != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        fetch(sys.executable, "-m", "venv", directory)
        fetch(python, "-m", "pip", "install", "-q", *packages)
        with open(marker, "w", encoding="utf-8") as file:
            file.write(wanted)
    return python


def sdist(python, name, version):
    """The unpacked source archive of a package, which has its tests."""
    directory = os.path.join(TARGET, f"{name}-{version}")
    if not os.path.exists(directory):
        fetch(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
              f"{name}=={version}", "-d", TARGET)
        found = glob.glob(os.path.join(TARGET, f"{name}-{version}.tar.gz"))
        with tarfile.open(found[0]) as archive:
            archive.extractall(TARGET, filter="data")
    return directory


def node(name, *packages):
    """A directory with these npm packages."""
    directory = os.path.join(TARGET, name)
    if not os.path.exists(os.path.join(directory, "node_modules")):
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "package.json"), "w", encoding="utf-8") as file:
            file.write('{"private": true}\n')
        fetch("npm", "install", "--silent", "--no-audit", "--no-fund", *packages, cwd=directory)
    return directory


def run(command, cwd, env):
    """Runs a suite; its end is waited for, its output kept for who looks."""
    log = os.path.join(TARGET, env["SUITE"] + ".log")
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=out, start_new_session=True)
        try:
            process.wait(SUITE_DEADLINE_S)
        except subprocess.TimeoutExpired:
            print(f"no end within {SUITE_DEADLINE_S} s", file=sys.stderr)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    return log


def junit(path):
    """The cases of pytest's report."""
    if not os.path.exists(path):
        raise Skipped(f"pytest wrote no report, see the log in {TARGET}")
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        bad = next((part for part in case if part.tag in ("failure", "error")), None)
        if bad is not None:
            yield Case(name, "fail", (bad.get("message") or "") + "\n" + (bad.text or ""))
        elif any(part.tag == "skipped" for part in case):
            yield Case(name, "skip")
        else:
            yield Case(name, "pass")


def pytest(python, cwd, env, tests, *options):
    env = {**env, "PYTHONPATH": os.path.join(HERE, "keep_images")}
    report = os.path.join(os.environ["KEPT_DIR"], "report.xml")
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "keep_images",
         "--junitxml", report, f"--timeout={CASE_DEADLINE_S}", *options, *tests], cwd, env)
    return list(junit(report))


def docker_py(env):
    python = venv("venv-docker-py", "docker==6.1.3", "pytest==7.4.2", "pytest-timeout==2.2.0",
                  "paramiko", "websocket-client", "requests<2.32", "urllib3<2", "setuptools<81")
    source = sdist(python, "docker", "6.1.3")
    return pytest(python, source, env, ["tests/integration"])


def aiodocker(env):
    python = venv("venv-aiodocker", "aiodocker==0.27.0", "pytest==9.0.3", "pytest-asyncio==1.3.0",
                  "pytest-timeout", "testcontainers==4.14.2", "async-timeout~=5.0.1", "packaging",
                  "asyncssh", "paramiko")
    source = sdist(python, "aiodocker", "0.27.0")
    return pytest(python, source, {**env, "TESTCONTAINERS_RYUK_DISABLED": "true"}, ["tests"],
                  "-o", "addopts=", "-o", "asyncio_mode=auto")


def dockerode(env):
    source = os.environ.get("DOCKERODE_SOURCE")
    if not source:
        raise Skipped("the npm package has no tests: set DOCKERODE_SOURCE to a checkout of "
                      "dockerode's repository")
    directory = node("dockerode", "dockerode@5.0.1", "bluebird@3", "chai@4", "memorystream@0.3",
                     "mocha@11")
    for part in ("lib", "test", "package.json"):
        target = os.path.join(directory, part)
        (shutil.rmtree if os.path.isdir(target) else os.remove)(target) \
            if os.path.exists(target) else None
        from_ = os.path.join(source, part)
        (shutil.copytree if os.path.isdir(from_) else shutil.copy)(from_, target)
    report = os.path.join(os.environ["KEPT_DIR"], "mocha.json")
    # Any value makes the suite read DOCKER_HOST.
    keep = os.path.join(HERE, "keep_images", "keep_images.cjs")
    run(["node_modules/.bin/mocha", "--exit", "--require", keep,
         "--timeout", str(CASE_DEADLINE_S * 1000), "--reporter", "json",
         "--reporter-option", f"output={report}"], directory,
        {**env, "DOCKER_SOCKET": "no"})
    if not os.path.exists(report):
        raise Skipped(f"mocha wrote no report, see the log in {TARGET}")
    with open(report, encoding="utf-8") as file:
        tests = json.load(file)
    pending = {test["fullTitle"] for test in tests["pending"]}
    return [Case(test["fullTitle"],
                 "fail" if test["err"] else "skip" if test["fullTitle"] in pending else "pass",
                 json.dumps(test["err"])) for test in [*tests["tests"]]]


def testcontainers(env):
    """Our own programs (`testcontainers/`) on both libraries; each prints a line per case."""
    # On a machine that looks like a container the library would ask for the gateway of a bridge.
    env = {**env, "TESTCONTAINERS_RYUK_DISABLED": "true",
           "TESTCONTAINERS_HOST_OVERRIDE": "localhost"}
    python = venv("venv-testcontainers", "testcontainers==4.14.2", "redis", "psycopg2-binary",
                  "sqlalchemy")
    directory = node("testcontainers", "testcontainers@11", "@testcontainers/redis@11",
                     "@testcontainers/postgresql@11")
    programs = os.path.join(HERE, "testcontainers")
    shutil.copy(os.path.join(programs, "lifecycle.mjs"), directory)
    cases = []
    for command, cwd in [([python, os.path.join(programs, "lifecycle.py")], TARGET),
                         (["node", "lifecycle.mjs"], directory)]:
        cases.extend(printed_cases(run(command, cwd, env)))
    return cases


def compose_1(env):
    """Our own commands of docker-compose 1.29, which clients.sh brings."""
    if "COMPOSE" not in env:
        raise Skipped("clients.sh brings docker-compose and runs this")
    log = run(["sh", os.path.join(HERE, "compose", "lifecycle.sh")], TARGET, env)
    return printed_cases(log)


def printed_cases(log):
    """The cases that a program of ours printed."""
    for line in engines.keeper.read(log).splitlines():
        if line.startswith("case "):
            name, verdict, *message = line[5:].split("\t")
            yield Case(name, verdict, " ".join(message))


SUITES = {
    "docker-compose-1": (compose_1, ["busybox:latest"]),
    "docker-py": (docker_py, list(images.SMALL)),
    "aiodocker": (aiodocker, [*images.SMALL, "python:3.13-alpine", "python:3.14-alpine"]),
    "dockerode": (dockerode, [*images.SMALL, "ubuntu:latest"]),
    "testcontainers": (testcontainers, [*images.SMALL, "redis:7", "postgres:15"]),
}


def written_reasons(suite):
    """Reasons that were found by looking: lines of `SUITE/PATTERN: REASON`."""
    found = []
    with open(os.path.join(HERE, "reasons.txt"), encoding="utf-8") as file:
        for line in file:
            pattern, _, reason = line.strip().partition(" = ")
            if pattern.startswith(suite + "/"):
                found.append((pattern[len(suite) + 1:], reason))
    return found


def reason_of(case, written):
    for pattern, reason in written:
        if fnmatch.fnmatchcase(case.name, pattern):
            return reason
    # The engine's own words come last in a traceback.
    for pattern, reason in ANSWERS:
        found = pattern.search(case.message)
        if found:
            return found.expand(reason)
    return "not explained"


def one_line(text):
    return " ".join(text.split())


def conclude(options, cases):
    """Writes or checks the table; the exit status."""
    written = written_reasons(options.suite)
    lines = {}
    for case in cases:
        verdict = case.verdict
        if verdict == "fail":
            verdict += "\t" + reason_of(case, written)
        lines[one_line(case.name)] = verdict
    for case in cases:
        if lines[one_line(case.name)].endswith("not explained"):
            print(f"FAIL {case.name}\n    " + case.message.strip()[-1500:].replace("\n", "\n    "))
    passed = sum(verdict == "pass" for verdict in lines.values())
    print(f"{options.suite}: {passed} of {len(lines)} pass")
    if options.update:
        with open(options.table, "w", encoding="utf-8") as out:
            out.writelines(f"{name}\t{verdict}\n" for name, verdict in sorted(lines.items()))
        return 0
    known = {}
    if os.path.exists(options.table):
        with open(options.table, encoding="utf-8") as file:
            known = dict(line.rstrip("\n").split("\t", 1) for line in file)
    worse = [name for name, verdict in known.items()
             if verdict == "pass" and lines.get(name) != "pass"]
    for name in worse:
        print(f"passed and does not: {name}: {lines.get(name, 'was not run')}")
    return 1 if worse else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--wharf", required=True, help="the binary, or `dockerd`")
    parser.add_argument("--table")
    parser.add_argument("--update", action="store_true", help="write the table")
    options = parser.parse_args()
    options.table = options.table or os.path.join(HERE, options.suite + ".tsv")
    engines.end_in_order()
    os.makedirs(TARGET, exist_ok=True)
    directory = os.environ["KEPT_DIR"]
    docker = engines.reference("cli")
    engine_directory = os.path.join(directory, "e")
    hub = registry.Registry(os.path.join(directory, "registry"))
    suite, wanted = SUITES[options.suite]
    env = {**os.environ, "SUITE": options.suite, "HOME": directory, "TZ": "UTC",
           "DOCKER_CONFIG": os.path.join(directory, "docker"), "LANG": "C.UTF-8"}
    env.pop("DOCKER_TLS_VERIFY", None)
    # Without one docker-py keeps its contexts in the directory where it runs.
    os.makedirs(env["DOCKER_CONFIG"])
    with open(os.path.join(env["DOCKER_CONFIG"], "config.json"), "w", encoding="utf-8") as file:
        file.write("{}\n")
    closers = [hub.stop]
    try:
        archives = {name: images.make(os.path.join(TARGET, "images"), name) for name in wanted}
        env["KEPT_IMAGES"] = json.dumps(archives)
        hub.start()
        if options.wharf == "dockerd":
            engine = engines.Dockerd(engine_directory, docker)
        else:
            engine = engines.Wharf(engine_directory, docker, options.wharf,
                                   ["--default-registry", hub.host])
        env["DOCKER_HOST"] = engine.host
        closers.append(engine.stop)
        engine.start()
        for archive in archives.values():
            engine.load(archive)
        if options.wharf != "dockerd":
            hub.fill(engine, archives)
        cases = list(suite(env))
    except (Skipped, images.Missing, registry.Missing) as reason:
        print(f"{options.suite} skipped: {reason}")
        sys.exit(0)
    except engines.BenchError as error:
        sys.exit(f"conformance: {error}")
    finally:
        engines.close_all(reversed(closers))
    sys.exit(conclude(options, cases))


if __name__ == "__main__":
    main()
