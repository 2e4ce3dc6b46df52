"""A server for tls-alpn-01 on port 443 that refuses whoever asks for another name: alpn.py CERTIFICATE KEY ADDRESS NAME"""

import socket
import ssl
import sys

certificate, key, address, name = sys.argv[1:]


def look(_socket, asked, _context):
    return None if asked == name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(["acme-tls/1"])
context.sni_callback = look
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, 443))
listener.listen()
while True:
    connection, _ = listener.accept()
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()
