#!/usr/bin/env python3
"""Runs commands on request and says how long each took, from spawn to exit.

Reads one JSON object a line: {"argv": [..], "env": {..}, "stdout": ".."}; answers with one a line:
{"seconds": 0.01, "status": 0, "stdout": "..", "stderr": ".."}. It is a process of its own because
some commands run only where a part of the machine is hidden (`reference.sh hide-v2`): all
subjects of a benchmark are then timed by the same code.
"""

import json
import os
import shutil
import sys
import tempfile
import time

# So much of what a command printed is handed back.
KEPT_BYTES = 65536


def run(request, out, err):
    env = {**os.environ, **request.get("env", {})}
    argv = request["argv"]
    program = shutil.which(argv[0], path=env.get("PATH")) or argv[0]
    for file in (out, err):
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out, 1) if request.get("stdout") is None else
        (os.POSIX_SPAWN_OPEN, 1, request["stdout"], os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, err, 2),
    ]
    begin = time.perf_counter()
    pid = os.posix_spawn(program, argv, env, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - begin
    return {
        "seconds": seconds,
        "status": os.waitstatus_to_exitcode(status),
        "stdout": os.pread(out, KEPT_BYTES, 0).decode(errors="replace"),
        "stderr": os.pread(err, KEPT_BYTES, 0).decode(errors="replace"),
    }


def main():
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for line in sys.stdin:
            try:
                answer = run(json.loads(line), out.fileno(), err.fileno())
            except OSError as error:
                answer = {"seconds": 0, "status": 127, "stdout": "", "stderr": str(error)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
