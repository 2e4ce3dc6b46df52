"""A receiver of webhooks, and a DNS server beside it.

usage: webhook_receiver.py DIRECTORY

DIRECTORY holds server.pem and server.key. The file mode/NAME says what a request for /NAME is answered: a status, "hang", or a status and
a Location. What came is appended to received.jsonl with whether its signature is right by the secret in secret/NAME. The ports go into
ports.json.
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY = sys.argv[1]
NAMES = {
    "hook": ["127.0.0.1"],
    "private": ["10.1.2.3"],
    "metadata": ["169.254.169.254"],
    "mixed": ["127.0.0.1", "192.168.7.7"],
}
LOCK = threading.Lock()


def read(*names):
    try:
        with open(os.path.join(DIRECTORY, *names)) as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def is_signed(name, headers, body):
    secret = read("secret", name)
    if secret is None or not secret.startswith("whsec_"):
        return None
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(base64.b64decode(secret[6:]), signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == "v1," + wanted and abs(int(headers["webhook-timestamp"]) - time.time()) < 300


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        name = self.path.lstrip("/").split("?")[0]
        mode = (read("mode", name) or "204").split()
        record = {"path": self.path, "headers": headers, "body": json.loads(body), "signed": is_signed(name, headers, body), "mode": mode[0]}
        with LOCK, open(os.path.join(DIRECTORY, "received.jsonl"), "a") as file:
            file.write(json.dumps(record) + "\n")
        if mode[0] == "hang":
            time.sleep(600)
            return
        self.send_response(int(mode[0]))
        if len(mode) > 1:
            self.send_header("Location", mode[1])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


def answer_names(server):
    while True:
        question, sender = server.recvfrom(512)
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += question[at] + 1
        asked = question[12 : at + 5]
        addresses = NAMES.get(labels[0].lower())
        is_a = question[at + 1 : at + 3] == b"\x00\x01"
        records = [socket.inet_aton(address) for address in addresses or [] if is_a]
        flags = b"\x81\x80" if addresses is not None else b"\x81\x83"
        # Somebody else's answer comes first, and must not be believed.
        for identity in [bytes([question[0] ^ 0xFF, question[1]]), question[:2]]:
            given = records if identity == question[:2] else [socket.inet_aton("127.0.0.1")] if is_a else []
            head = identity + flags + b"\x00\x01" + len(given).to_bytes(2, "big") + b"\x00\x00\x00\x00"
            body = b"".join(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + address for address in given)
            server.sendto(head + asked + body, sender)


names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 0))
threading.Thread(target=answer_names, args=(names,), daemon=True).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(DIRECTORY, "server.pem"), os.path.join(DIRECTORY, "server.key"))
server = Server(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(os.path.join(DIRECTORY, "ports.new"), "w") as file:
    json.dump({"https": server.server_address[1], "dns": names.getsockname()[1]}, file)
os.rename(os.path.join(DIRECTORY, "ports.new"), os.path.join(DIRECTORY, "ports.json"))
# It ends with the test, which holds its standard input.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.serve_forever()
