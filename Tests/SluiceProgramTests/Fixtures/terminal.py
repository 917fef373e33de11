"""Runs a program on a terminal of its own. usage: terminal.py ANSWER PROGRAM ARGUMENT...

Waits for a question (`[y/N]`), types ANSWER (`^D` is the end of the input, `^C` an interrupt, at once and without a
question), and prints all that the terminal showed, then `status N`."""
import os
import pty
import select
import signal
import sys
import time

answer, program = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(program[0], program)
shown, typed, deadline = b"", False, time.time() + 20
while time.time() < deadline:
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if ready:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            break
        if not more:
            break
        shown += more
    asked = b"[y/N]" in shown if answer != "^C" else b"generation" in shown
    if asked and not typed:
        typed = True
        if answer == "^C":
            time.sleep(0.3)
            os.kill(pid, signal.SIGINT)
        else:
            os.write(terminal, {"^D": b"\x04"}.get(answer, answer.encode() + b"\n"))
else:
    os.kill(pid, signal.SIGKILL)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
print(f"\nstatus {os.waitstatus_to_exitcode(status)}")
