#!/usr/bin/env python3
"""Runs a command on a terminal, plays a script to it, prints what the terminal showed.

    terminal.py ROWSxCOLS 'STEP ;; STEP' -- COMMAND ARG..

Steps: `expect:TEXT` waits until TEXT was shown after the last `expect`, `send:TEXT` types,
`resize:ROWSxCOLS:TEXT` resizes the terminal until TEXT is shown, `kill:SIGNAL` sends a signal to
the command. Escapes like \\n and \\x03 work. After the last step the command must end by itself.
What a shell paints for its line editor alone (asking for the cursor, painting the prompt anew
after a resize) is left out: it depends on timing.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

# Seconds that one step, or the end of the command, may take.
DEADLINE_S = 10
NOISE = re.compile(rb"\x1b\[6n|\r?(?:/ # )?\x1b\[J|\r(?=/ # )")


def resize(terminal, size):
    rows, cols = (int(part) for part in size.split("x"))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class Session:
    """The command and all that it has shown."""

    def __init__(self, size, command):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            # The size must be there before the command asks for it.
            resize(0, size)
            try:
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        self.shown = b""
        self.seen = 0
        self.ended = False

    def pump(self, until):
        """Reads what comes next; false when nothing did."""
        ready, _, _ = select.select([self.terminal], [], [], max(0, until - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.shown += data
        return True

    def expect(self, text):
        until = time.monotonic() + DEADLINE_S
        while True:
            found = self.shown.find(text, self.seen)
            if found >= 0:
                self.seen = found + len(text)
                return
            if not self.pump(until):
                print(f"[expected {text!r}, not shown]")
                return

    def resize(self, size, text):
        """Resizes until the command shows that it knows: a client that has just started may not
        listen yet, so that the change must come again."""
        rows, _, cols = size.partition("x")
        until = time.monotonic() + DEADLINE_S
        while text not in self.shown[self.seen:] and time.monotonic() < until:
            resize(self.terminal, f"{int(rows) + 1}x{cols}")
            resize(self.terminal, size)
            self.pump(time.monotonic() + 0.5)

    def finish(self):
        until = time.monotonic() + DEADLINE_S
        while not self.ended and self.pump(until):
            pass
        if not self.ended:
            print("[did not end]")
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def main(args):
    if len(args) < 4 or args[2] != "--":
        sys.exit(__doc__)
    session = Session(args[0], args[3:])
    for step in args[1].split(" ;; "):
        verb, _, text = step.strip().partition(":")
        raw = text.encode().decode("unicode_escape").encode("latin-1")
        if verb == "expect":
            session.expect(raw)
        elif verb == "send":
            os.write(session.terminal, raw)
        elif verb == "resize":
            size, _, shown = text.partition(":")
            session.resize(size, shown.encode())
        elif verb == "kill":
            os.kill(session.pid, signal.Signals[text])
        elif verb:
            sys.exit(f"no such step: {verb}")
    status = session.finish()
    shown = NOISE.sub(b"", session.shown).replace(b"\r\n", b"\n")
    print(shown.decode(errors="backslashreplace"))
    print(f"[exit {status}]")


if __name__ == "__main__":
    main(sys.argv[1:])
