"""Runs other people's suites of OCI runtimes against `wharf-runtime`.

    runtime.sh SUITE CHECKOUT [--only PATTERN] [--update] [--runtime PATH] [--verbose]

SUITE is `runtime-tools` or `runc-bats`; CHECKOUT is a clone of its repository,
which is built there and never committed. Without it the suite is skipped, with the reason.

The table SUITE.tsv has one line per case: its name, `pass`, `fail` or `skip`, and for the last two
a reason. A case that passes in the table must not fail again: that is status 1.
"""

import argparse
import fnmatch
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# A result, the test's name, perhaps why it was skipped; what a failed one says follows as comments.
TAP = re.compile(r"^(ok|not ok) \d+ (.*?)( # skip.*)?\n((?:#.*\n)*)", re.M)
# Seconds that one program or one file of cases may take.
DEADLINE_S = 400


def run(words, **options):
    """Runs a command in a process group of its own; its status and what it said until the deadline."""
    # A file, for processes that a test leaves behind would keep a pipe open. A standard input that
    # stays open: its end would be typed into the terminal of `script`.
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
        late = ""
        try:
            child.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            late = "\nnot ok 0 deadline\n"
        child.stdin.close()
        out.seek(0)
        said = out.read().decode(errors="replace").replace("\r", "")
    return child.returncode, said + late


def build(words, checkout, environment=None):
    environment = {**os.environ, "GOFLAGS": "-mod=vendor", "GOTOOLCHAIN": "local", **(environment or {})}
    done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"cannot build in {checkout}: {' '.join(words)}\n{done.stderr[-2000:]}")


def runtime_tools(checkout, runtime, only):
    """One case per program: all its TAP lines must be `ok`; one that prints none proves nothing."""
    if not os.path.exists(f"{checkout}/validation/state/state.t"):
        build(["make", "runtimetest", "validation-executables"], checkout)
    for name in sorted(os.listdir(f"{checkout}/validation")):
        program = f"{checkout}/validation/{name}/{name}.t"
        if not os.path.exists(program) or not fnmatch.fnmatch(name, only):
            continue
        status, said = run([program], cwd=checkout, env={**os.environ, "RUNTIME": runtime})
        bad = re.findall(r"^\s*not ok \d+ - (?!.*# [A-Z]{4})(.*)|^(panic: .*)", said, re.M)
        good = re.findall(r"^\s*ok \d+", said, re.M)
        if bad or status:
            yield name, "fail", "; ".join(a or b for a, b in bad[:2])[:150] or f"status {status}", said
        elif not good:
            yield name, "skip", "prints no result", said
        else:
            yield name, "pass", "", said


def runc_images(checkout):
    """The two root file systems that the cases use, made of what the machine's Debian has."""
    data = f"{checkout}/tests/integration/testdata"
    if all(os.path.exists(f"{data}/{name}-amd64.tar.xz") for name in ("busybox", "debian")):
        return
    build(["bash", f"{HERE}/runc_images.sh", data], checkout)


def runc_bats(checkout, runtime, only):
    """One case per `@test`, by the file's name and the test's."""
    for name in ("recvtty", "sd-helper", "seccompagent", "fs-idmap", "pidfd-kill", "remap-rootfs", "key_label"):
        if not os.path.exists(f"{checkout}/tests/cmd/_bin/{name}"):
            build(["go", "build", "-tags", "seccomp", "-o", "tests/cmd/_bin/", f"./tests/cmd/{name}"], checkout)
    runc_images(checkout)
    environment = {**os.environ, "RUNC": runtime, "TERM": "xterm"}
    for file in sorted(os.listdir(f"{checkout}/tests/integration")):
        name = file.removesuffix(".bats")
        if not file.endswith(".bats") or not fnmatch.fnmatch(name, only.partition("/")[0]):
            continue
        # In a terminal and with shared mounts, as on the machines that runc is tested on.
        bats = f"mount --make-rshared /; exec script -qec 'bats -t tests/integration/{file}' /dev/null"
        _, said = run(["unshare", "-m", "sh", "-c", bats], cwd=checkout, env=environment)
        for result, test, skipped, detail in TAP.findall(said):
            case = f"{name}/{test}"
            if not fnmatch.fnmatch(case, only if "/" in only else f"{only}/*"):
                continue
            if skipped:
                yield case, "skip", skipped.removeprefix(" # skip").strip(" ()"), ""
            elif result == "ok":
                yield case, "pass", "", ""
            else:
                yield case, "fail", reason_of(detail), detail


def reason_of(detail):
    failed = re.search(r"`(.*)' failed", detail)
    return failed.group(1)[:150] if failed else ""


SUITES = {"runtime-tools": runtime_tools, "runc-bats": runc_bats}


def read_table(path):
    table = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, result, *reason = line.rstrip("\n").split("\t")
                table[name] = (result, reason[0] if reason else "")
    return table


def main():
    parser = argparse.ArgumentParser(prog="runtime.sh")
    parser.add_argument("suite", choices=sorted(SUITES))
    parser.add_argument("checkout", nargs="?", default="")
    parser.add_argument("--only", default="*")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--runtime", default=f"{HERE}/../target/release/wharf-runtime")
    chosen = parser.parse_args()
    if not os.path.isdir(chosen.checkout):
        print(f"skipped {chosen.suite}: no checkout of its repository at {chosen.checkout!r}")
        return 0
    # Not the file behind a link: its name says that it is to be a runtime.
    runtime = os.path.abspath(chosen.runtime)
    path = f"{HERE}/{chosen.suite}.tsv"
    table, worse, counts = read_table(path), [], {}
    for name, result, reason, said in SUITES[chosen.suite](os.path.realpath(chosen.checkout), runtime, chosen.only):
        reason = re.sub(r"\s+", " ", reason)
        before, known = table.get(name, ("", ""))
        if before == "pass" and result == "fail":
            worse.append(name)
        # A person's reason is better than a line of output.
        table[name] = (result, (known if before == result and known else reason) if result != "pass" else "")
        counts[result] = counts.get(result, 0) + 1
        print(f"{result}\t{name}\t{table[name][1]}", flush=True)
        if chosen.verbose and result == "fail":
            print(said, flush=True)
    if chosen.update:
        with open(path, "w", encoding="utf-8") as file:
            for name in sorted(table):
                file.write("\t".join(part for part in (name, *table[name]) if part) + "\n")
    print(f"{chosen.suite}: {counts}; worse than the table: {worse or 'none'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
