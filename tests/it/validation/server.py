"""A web server that does what a file tells it for each path, and writes down how much of an answer it could send.

usage: server.py DIRECTORY ADDRESS...   DIRECTORY/pages.json: {"/path": {"status": 200, "body": "...", "location": "...", ...}}

  body      what the page holds
  giant     a body without an end
  drip      one byte of the body each so many seconds, without an end
  silent    no answer at all
  head      header lines without an end
  raw       these bytes in the place of an answer

Every address is served on port 80, and on port 443 with DIRECTORY/server.pem and DIRECTORY/server.key when they are there.
"""

import json
import os
import socket
import ssl
import sys
import threading
import time

directory, addresses = sys.argv[1], sys.argv[2:]
lock = threading.Lock()


def tell(**facts):
    with lock, open(os.path.join(directory, "seen.jsonl"), "a") as seen:
        seen.write(json.dumps(facts) + "\n")


def pages():
    with open(os.path.join(directory, "pages.json")) as file:
        return json.load(file)


def endless(connection, piece, pause=0):
    sent = 0
    try:
        while True:
            sent += connection.send(piece)
            time.sleep(pause)
    except OSError:
        return sent


def answer(connection, port, context):
    try:
        connection.settimeout(60)
        if port == 443:
            connection = context.wrap_socket(connection, server_side=True)
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(4096)
            if not piece:
                return
            request += piece
        line, *headers = request.decode().split("\r\n")
        path = line.split(" ")[1]
        page = pages().get(path, {"status": 404, "body": "none"})
        host = next((h[6:] for h in headers if h.lower().startswith("host: ")), "")
        tell(path=path, host=host, port=port)
        if page.get("silent"):
            connection.recv(1)
            return
        if "raw" in page:
            connection.sendall(page["raw"].encode())
            return
        head = f"HTTP/1.1 {page.get('status', 200)} Told\r\n"
        if page.get("head"):
            connection.sendall(head.encode())
            tell(path=path, sent=endless(connection, b"X-More: " + b"x" * 1000 + b"\r\n"))
            return
        if "location" in page:
            head += f"Location: {page['location']}\r\n"
        body = page.get("body", "").encode()
        if page.get("giant"):
            connection.sendall((head + "\r\n").encode())
            tell(path=path, sent=endless(connection, b"x" * 65536))
        elif "drip" in page:
            connection.sendall((head + "\r\n").encode())
            tell(path=path, sent=endless(connection, b"x", page["drip"]))
        else:
            connection.sendall((head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
    except OSError as error:
        tell(error=str(error), port=port)
    finally:
        connection.close()


def serve(listener, port, context):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, port, context), daemon=True).start()


context = None
if os.path.exists(os.path.join(directory, "server.pem")):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.pem"), os.path.join(directory, "server.key"))
for address in addresses:
    for port in [80] + ([443] if context else []):
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(4096)
        threading.Thread(target=serve, args=(listener, port, context), daemon=True).start()
with open(os.path.join(directory, "ready"), "w"):
    pass
threading.Event().wait()
