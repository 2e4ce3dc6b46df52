"""A development appliance for the attacks: a real daemon in a directory of its own, with something to ask for."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import time

START = 120


class Appliance:
    def __init__(self, daemon: str, revoked: int):
        self.directory = tempfile.TemporaryDirectory(prefix="chancery-attack-")
        self.path = pathlib.Path(self.directory.name)
        self.log = open(self.path / "daemon.log", "wb")
        command = [daemon, "dev", "--dir", self.path / "appliance", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.await_ready()
            self.furnish(revoked)
        except BaseException:
            self.stop()
            raise

    def file(self, name: str) -> str:
        return (self.path / "appliance" / name).read_text().strip()

    def await_ready(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < START:
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended: {(self.path / 'daemon.log').read_text()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.host, port = self.file("listen.addr").rsplit(":", 1)
                self.port = int(port)
                self.token = self.file("admin.token")
                if self.ask("GET", "/healthz")[0] == 200:
                    return
            time.sleep(0.2)
        raise RuntimeError("the daemon was not ready in time")

    def furnish(self, revoked: int) -> None:
        """An authority, a role, and a CRL that is not small: the largest thing that anybody may ask for."""
        root = {"name": "root", "common_name": "Attacked CA", "ca_type": "root", "key_type": "ec", "key_size": 256}
        self.ca = self.expect(201, "POST", "/v1/pki/ca", root)["id"]
        role = {"name": "web", "ca_id": self.ca, "allowed_domains": ["example.com"], "allow_subdomains": True, "max_ttl": "720h",
                "key_type": "ec", "key_bits": 256}
        self.expect(201, "POST", "/v1/pki/roles", role)
        for number in range(revoked):
            issued = self.expect(201, "POST", "/v1/pki/issue/web", {"common_name": f"h{number}.example.com"})
            self.expect(200, "POST", "/v1/pki/revoke", {"serial_number": issued["serial_number"]})
        self.expect(200, "POST", f"/v1/pki/ca/{self.ca}/crl", {})

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.path / "appliance" / "ca.pem")

    def connection(self, source: str = "127.0.0.1", timeout: float = 30) -> http.client.HTTPSConnection:
        address = (source, 0)
        return http.client.HTTPSConnection(self.host, self.port, context=self.context(), source_address=address, timeout=timeout)

    def ask(self, method: str, path: str, body=None, connection=None) -> tuple[int, bytes]:
        line = connection or self.connection()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        line.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = line.getresponse()
        content = answer.read()
        if connection is None:
            line.close()
        return answer.status, content

    def expect(self, status: int, method: str, path: str, body=None):
        got, content = self.ask(method, path, body)
        if got != status:
            raise RuntimeError(f"{method} {path}: {got} {content!r}")
        return json.loads(content)

    def metrics(self) -> dict[str, float]:
        lines = self.ask("GET", "/metrics")[1].decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def memory_mib(self) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(resident.split()[1]) / 1024

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
            self.process.wait(60)
        self.log.close()
        self.directory.cleanup()
