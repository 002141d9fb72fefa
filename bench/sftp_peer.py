"""asyncssh at its best: a folder's files by one gather over 200 at a time, a large file as it comes, a listing.

    sftp_peer.py PORT KEY KNOWN_HOSTS small|large|list REMOTE [LOCAL]
"""

import asyncio
import os
import sys

import asyncssh

AT_ONCE = 200
CIPHERS = ["aes128-gcm@openssh.com"]


async def small(sftp, remote, local):
    os.makedirs(local, exist_ok=True)
    names = [name for name in await sftp.listdir(remote) if name not in (".", "..")]
    room = asyncio.Semaphore(AT_ONCE)

    async def get(name):
        async with room:
            await sftp.get(f"{remote}/{name}", f"{local}/{name}")

    await asyncio.gather(*map(get, names))


async def main(port, key, known_hosts, what, remote, local=None):
    options = {"client_keys": [key], "known_hosts": known_hosts, "encryption_algs": CIPHERS}
    async with asyncssh.connect("127.0.0.1", int(port), **options) as connection:
        async with connection.start_sftp_client() as sftp:
            if what == "small":
                await small(sftp, remote, local)
            elif what == "large":
                await sftp.get(remote, local, max_requests=256)
            else:
                print(len(await sftp.listdir(remote)))


asyncio.run(main(*sys.argv[1:]))
