"""sftp_carries.py RELAY MILLISECONDS: how many MiB a second the relay carries, over one connection and over four."""

import socket
import subprocess
import sys
import threading
import time

MIB = 1 << 20
EACH = 512 * MIB


def serve(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=send, args=(client,), daemon=True).start()


def send(client):
    chunk, left = memoryview(bytes(MIB)), EACH
    with client:
        while left:
            left -= client.send(chunk)


def receive(port):
    buffer = bytearray(MIB)
    with socket.create_connection(("127.0.0.1", port)) as line:
        while line.recv_into(buffer):
            pass


def speed(port, connections):
    start = time.monotonic()
    readers = [threading.Thread(target=receive, args=(port,)) for _ in range(connections)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return EACH * connections / MIB / (time.monotonic() - start)


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
command = [sys.argv[1], f"127.0.0.1:{listener.getsockname()[1]}", sys.argv[2]]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
    port = int(relay.stdout.readline().split()[1])
    one, four = speed(port, 1), speed(port, 4)
    relay.kill()
print(f"the relay alone carries {one:,.0f} MiB/s over one connection at {sys.argv[2]} ms, {four:,.0f} over four")
