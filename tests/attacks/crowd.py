"""Slow clients from many addresses: what slowhttptest does, but each connection from an address of 127.0.0.0/8 of its own, and one
that is cut off is made anew.

    crowd.py ATTACK HOST PORT PATH CONNECTIONS SECONDS

ATTACK is `headers`, `body` or `read`. For `body` the environment has a token in ATTACK_TOKEN, since without one no body is read.
It prints one line: how many connections it made, how many of them were cut off, and the most it had at once.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import sys

# How often a byte or two is sent or taken, as slowhttptest does.
PAUSE = 10
# New connections in a second.
PACE = 200


class Crowd:
    def __init__(self, attack: str, host: str, port: int, path: str, seconds: float):
        self.attack, self.host, self.port, self.path = attack, host, port, path
        self.end = asyncio.get_running_loop().time() + seconds
        self.made = self.cut = self.open = self.most = 0
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self.end

    async def member(self, number: int) -> None:
        await asyncio.sleep(number / PACE)
        source = f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"
        while not self.is_over():
            try:
                await asyncio.wait_for(self.annoy(source), max(0.1, self.end - asyncio.get_running_loop().time()))
            except (OSError, asyncio.IncompleteReadError):
                self.cut += 1
                await asyncio.sleep(1)
            except asyncio.TimeoutError:
                return

    async def annoy(self, source: str) -> None:
        line = socket.socket()
        line.setblocking(False)
        if self.attack == "read":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 512)
        line.bind((source, 0))
        with contextlib.closing(line):
            await asyncio.get_running_loop().sock_connect(line, (self.host, self.port))
            reader, writer = await asyncio.open_connection(sock=line, ssl=self.context, server_hostname=self.host, limit=256)
            self.made += 1
            self.open += 1
            self.most = max(self.most, self.open)
            try:
                await getattr(self, self.attack)(reader, writer)
            finally:
                self.open -= 1
                writer.transport.abort()

    async def headers(self, reader, writer) -> None:
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n".encode())
        await self.drip(reader, writer, b"X-a: b\r\n")

    async def body(self, reader, writer) -> None:
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {os.environ['ATTACK_TOKEN']}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 4096\r\n\r\n{{".encode())
        await self.drip(reader, writer, b"  ")

    async def drip(self, reader, writer, drop: bytes) -> None:
        while not self.is_over():
            # An answer, or an end, is what the attacker does not want.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(256), PAUSE - 0.5)
                raise ConnectionResetError
            writer.write(drop)
            await writer.drain()

    async def read(self, reader, writer) -> None:
        # Many answers are asked for at once, and taken in crumbs.
        request = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()
        writer.transport.pause_reading()
        writer.write(request * 10)
        while not self.is_over():
            await asyncio.sleep(1)
            writer.transport.resume_reading()
            await asyncio.sleep(0)
            with contextlib.suppress(RuntimeError):
                writer.transport.pause_reading()
            if reader.at_eof() or writer.is_closing():
                raise ConnectionResetError
            reader._buffer.clear()


async def main() -> None:
    attack, host, port, path, connections, seconds = sys.argv[1:]
    crowd = Crowd(attack, host, int(port), path, float(seconds))
    await asyncio.gather(*(crowd.member(number) for number in range(int(connections))))
    print(f"{crowd.made} connections made, {crowd.cut} cut off, {crowd.most} at once")


if __name__ == "__main__":
    asyncio.run(main())
