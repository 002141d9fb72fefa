"""Runs a command several times and prints its best and median seconds and the peak of its memory in MiB (of one process, the
largest). Between the runs what it fetched is looked at and removed, and memory is touched for the next.

    sftp_time.py RUNS FILES BYTES FOLDER COMMAND...     FOLDER is to hold so many files and bytes; "-" for none
"""

import mmap
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOM = 256 << 20  # what a peer and the server take besides the results, at most


def touch(size):
    """Uses so much memory and frees it, so that a run need not wait for the machine below. A virtual machine hands free memory
    back to its host, and the first use of each page then waits for it: for 1 GiB half a second or more, by chance, which is
    neither the peer's nor the server's. A process of its own does it, as the peak of memory is passed on to what is
    started."""
    if (child := os.fork()) == 0:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        os._exit(0)
    os.waitpid(child, 0)


def run(command):
    """Seconds and KiB of one run."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - start
    if status != 0:
        sys.exit(f"{command[0]}: exit {status}: {said.decode()[-2000:]}")
    return took, usage.ru_maxrss


def count(folder):
    """How many files there are below a folder, and their bytes."""
    sizes = [os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names]
    return len(sizes), sum(sizes)


def main(runs, files, size, folder, *command):
    seconds, peak = [], 0
    for _ in range(int(runs)):
        if folder != "-":
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
        touch(int(size) + ROOM)
        took, resident = run(command)
        if folder != "-" and count(folder) != (int(files), int(size)):
            sys.exit(f"{command[0]}: {count(folder)} files and bytes are there, and not {files}, {size}")
        seconds.append(took)
        peak = max(peak, resident)
    print(f"{min(seconds):.2f} {statistics.median(seconds):.2f} {peak / 1024:.0f}")


main(*sys.argv[1:])
