#!/usr/bin/env python3
"""A disk that loses, in a power cut, what was not flushed: an NBD server over a file, for one client.

    volatile-disk.py FILE SOCKET SEED

A write is kept in memory alone. A flush, or a write with FUA, takes everything written before it into the file. When the client's
connection breaks, as it does when the machine is killed, each sector that was not flushed gets into the file or not by the throw of a
die (SEED), whatever order they were written in: that is what a disk with a volatile cache may do, and the worst it may do short of
breaking its word. Its own word, the file, is the page cache of the machine this runs on, which is not cut.

SIGUSR1 asks for the power cut at the worst moment: in the next flush, when there is something to lose.
"""

import os
import random
import signal
import socket
import struct
import sys

SECTOR = 512
OPTION_MAGIC, REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
OPTION_EXPORT_NAME, OPTION_ABORT, OPTION_INFO, OPTION_GO = 1, 2, 6, 7
REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 1, 3, 0x80000001
# HAS_FLAGS, SEND_FLUSH, SEND_FUA
FLAGS = 1 | 1 << 2 | 1 << 3
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA = 1


class PowerCut(Exception):
    """The client is gone, or is to be."""


class Disk:
    def __init__(self, path, seed):
        self.file = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.file).st_size
        self.pending = {}
        self.die = random.Random(seed)
        self.flushes = 0
        self.cut_is_due = False

    def read(self, offset, length):
        data = bytearray(os.pread(self.file, length, offset))
        for at in range(0, length, SECTOR):
            sector = self.pending.get((offset + at) // SECTOR)
            if sector is not None:
                data[at : at + SECTOR] = sector
        return bytes(data)

    def write(self, offset, data):
        if offset % SECTOR or len(data) % SECTOR:
            raise ValueError("a write that is not of whole sectors")
        for at in range(0, len(data), SECTOR):
            self.pending[(offset + at) // SECTOR] = data[at : at + SECTOR]

    def flush(self):
        if self.cut_is_due and self.pending:
            raise PowerCut
        self.flushes += 1
        for sector, data in self.pending.items():
            os.pwrite(self.file, data, sector * SECTOR)
        self.pending.clear()

    def cut(self):
        lost = kept = 0
        for sector, data in self.pending.items():
            if self.die.random() < 0.5:
                os.pwrite(self.file, data, sector * SECTOR)
                kept += 1
            else:
                lost += 1
        print(f"{self.flushes} flushes; of the sectors since the last one {kept} were kept and {lost} lost", flush=True)


def take(client, length):
    data = bytearray()
    while len(data) < length:
        part = client.recv(length - len(data))
        if not part:
            raise PowerCut
        data += part
    return bytes(data)


def negotiate(client, size):
    client.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, 3))
    take(client, 4)
    while True:
        _, option, length = struct.unpack(">QII", take(client, 16))
        take(client, length)
        if option == OPTION_EXPORT_NAME:
            client.sendall(struct.pack(">QH", size, FLAGS))
            return
        if option in (OPTION_GO, OPTION_INFO):
            info = struct.pack(">HQH", 0, size, FLAGS)
            client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REPLY_INFO, len(info)) + info)
            client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REPLY_ACK, 0))
            if option == OPTION_GO:
                return
        elif option == OPTION_ABORT:
            raise PowerCut
        else:
            client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REPLY_UNSUPPORTED, 0))


def serve(client, disk):
    while True:
        _, flags, command, handle, offset, length = struct.unpack(">IHHQQI", take(client, 28))
        answer = b""
        if command == READ:
            answer = disk.read(offset, length)
        elif command == WRITE:
            # Taken whole before it counts: a machine that is killed while it sends has not written.
            disk.write(offset, take(client, length))
        elif command == DISCONNECT:
            raise PowerCut
        if command == FLUSH or flags & FUA:
            disk.flush()
        client.sendall(struct.pack(">IIQ", 0x67446698, 0, handle) + answer)


def main():
    path, place, seed = sys.argv[1:]
    disk = Disk(path, int(seed))

    def cut_soon(_signal, _frame):
        disk.cut_is_due = True

    signal.signal(signal.SIGUSR1, cut_soon)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(1)
    client, _ = listener.accept()
    try:
        negotiate(client, disk.size)
        serve(client, disk)
    except (PowerCut, ConnectionError):
        disk.cut()


main()
