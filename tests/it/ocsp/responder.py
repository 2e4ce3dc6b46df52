"""An OCSP responder elsewhere, made of openssl: `responder.py SIGNER PORT METHOD` takes requests by that method alone."""

import base64
import http.server
import subprocess
import sys
import urllib.parse


class Responder(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if sys.argv[3] == "POST":
            self.respond(request)
        else:
            self.send_error(405)

    def do_GET(self):
        if sys.argv[3] == "GET":
            self.respond(base64.b64decode(urllib.parse.unquote(self.path.lstrip("/"))))
        else:
            self.send_error(405)

    def respond(self, request):
        with open("asked.der", "wb") as file:
            file.write(request)
        command = ["openssl", "ocsp", "-index", "index.txt", "-CA", "root.pem", "-rsigner", f"{sys.argv[1]}.pem"]
        command += ["-rkey", f"{sys.argv[1]}.key", "-reqin", "asked.der", "-respout", "said.der", "-ndays", "1"]
        subprocess.run(command, check=True, capture_output=True)
        with open("said.der", "rb") as file:
            said = file.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Responder)
server.serve_forever()
