"""What the live view costs: a plan of sleeps is run on a terminal of 120 x 40 and without one, in pairs; the processor time
that the terminal's run takes more is the view's. Prints a line of the table.

    view.py RUNS PROGRAM NAME PLAN     PROGRAM is a fanout, PLAN a plan file
"""

import fcntl
import os
import pty
import statistics
import struct
import sys
import termios
import time


def run(program, plan, on_terminal):
    """Seconds on the clock, seconds of processor time, and bytes written to the terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        for handle in (0, 1, 2):
            os.dup2(slave if on_terminal else nowhere, handle)
        os.environ["TERM"] = "xterm-256color"
        os.execv(program, [program, "run", plan])
    os.close(slave)
    os.close(nowhere)
    written = 0
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the last one closed the terminal
            break
        if not part:
            break
        written += len(part)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        sys.exit(f"{program} run {plan}: status {status}")
    os.close(master)
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, written


def main(runs, program, name, plan):
    pairs = [(run(program, plan, True), run(program, plan, False)) for _ in range(int(runs))]
    shares = [100 * (shown[1] - hidden[1]) / shown[0] for shown, hidden in pairs]
    clock = statistics.median(shown[0] for shown, _ in pairs)
    hidden = statistics.median(hidden[1] for _, hidden in pairs)
    shown = statistics.median(shown[1] for shown, _ in pairs)
    written = statistics.median(shown[2] for shown, _ in pairs) / clock / 1000
    print(f"| {name} | {clock:.1f} | {hidden:.2f} | {shown:.2f} | {statistics.median(shares):.1f} % | {written:.1f} |")


main(*sys.argv[1:])
