"""Slow attacks on a real daemon while a healthy client asks.

slowhttptest attacks from one address with slow headers (-H), slow bodies (-B) and slow reading (-X); crowd.py does the same from as
many addresses as it has connections. The healthy client has an address of its own, asks over kept and over new connections in turns,
and must see no error, with a 99th percentile below a quarter of a second. It ends with 1 otherwise.

    slow.py [--daemon target/release/chanceryd] [--seconds 60] [--connections 1000] [--only NAME]
"""

import argparse
import http.client
import os
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from appliance import Appliance  # noqa: E402

BOUND = 0.250
HEALTHY = "127.0.0.99"
REFUSED = 'chancery_http_connections_refused_total{listener="api"'
CUT = 'chancery_http_connections_cut_total{listener="api"'


class Healthy:
    """Two clients: one keeps its connection, one makes a new one each time."""

    def __init__(self, appliance: Appliance):
        self.appliance, self.took, self.errors, self.over = appliance, [], [], False
        self.threads = [threading.Thread(target=self.ask, args=(is_kept,)) for is_kept in (True, False)]
        for thread in self.threads:
            thread.start()

    def ask(self, is_kept: bool) -> None:
        line = None
        while not self.over:
            begun = time.monotonic()
            try:
                if line is None or not is_kept:
                    line = self.appliance.connection(HEALTHY)
                status, content = self.appliance.ask("GET", "/v1/pki/roles", connection=line)
                if status != 200:
                    self.errors.append(f"{status} {content[:200]!r}")
                if not is_kept:
                    line.close()
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                line = None
            self.took.append(time.monotonic() - begun)
            time.sleep(max(0.0, 0.05 - (time.monotonic() - begun)))

    def end(self) -> tuple[list[float], list[str]]:
        self.over = True
        for thread in self.threads:
            thread.join()
        return sorted(self.took), self.errors


def attacks(appliance: Appliance, connections: int) -> dict[str, list[str]]:
    url = f"https://{appliance.host}:{appliance.port}"
    crl = f"/crl/{appliance.ca}.crl"
    slow = ["slowhttptest", "-c", str(connections), "-l", "SECONDS", "-r", "200", "-i", "10", "-p", "5", "-v", "0"]
    crowd = [sys.executable, str(pathlib.Path(__file__).parent / "crowd.py")]
    many = [appliance.host, str(appliance.port)]
    often = [str(connections), "SECONDS"]
    return {
        "-H, one address": [*slow, "-H", "-u", f"{url}/healthz"],
        "-B, one address": [*slow, "-B", "-s", "4096", "-f", "application/json", "-u", f"{url}/v1/pki/sign/web"],
        "-X, one address": [*slow, "-X", "-k", "10", "-w", "1", "-y", "512", "-z", "5", "-n", "1", "-u", f"{url}{crl}"],
        "headers, many addresses": [*crowd, "headers", *many, "/healthz", *often],
        "bodies with a token, many addresses": [*crowd, "body", *many, "/v1/pki/sign/web", *often],
        "reading, many addresses": [*crowd, "read", *many, crl, *often],
    }


def total(metrics: dict[str, float], prefix: str) -> int:
    return int(sum(value for name, value in metrics.items() if name.startswith(prefix)))


def quantile(took: list[float], part: float) -> float:
    return took[min(len(took) - 1, int(len(took) * part))]


def attack(command: list[str], environment: dict[str, str], seconds: int) -> str | None:
    """Attacks until the time is over, again when all its connections were ended before; what went wrong, if anything did."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        left = max(5, round(seconds - (time.monotonic() - begun)))
        given = [str(left) if part == "SECONDS" else part for part in command]
        ended = subprocess.run(given, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if ended.returncode != 0:
            return f"{ended.returncode} {ended.stdout.decode(errors='replace')}"
        if "crowd.py" in given[1]:
            print(f"  ({ended.stdout.decode().strip()})", file=sys.stderr)
    return None


def run(appliance: Appliance, name: str, command: list[str] | None, seconds: int) -> bool:
    before = appliance.metrics()
    healthy = Healthy(appliance)
    failure = None
    if command is None:
        time.sleep(seconds)
    else:
        failure = attack(command, {**os.environ, "ATTACK_TOKEN": appliance.token}, seconds)
    took, errors = healthy.end()
    after = appliance.metrics()
    refused, cut = (total(after, prefix) - total(before, prefix) for prefix in (REFUSED, CUT))
    p50, p99 = (quantile(took, part) * 1000 for part in (0.5, 0.99))
    print(f"| {name} | {len(took)} | {len(errors)} | {p50:.0f} ms | {p99:.0f} ms | {took[-1] * 1000:.0f} ms | {refused} | {cut} |"
          f" {appliance.memory_mib():.0f} MiB |", flush=True)
    if failure is not None:
        print(f"the attack did not run: {failure}")
        return False
    for error in sorted(set(errors))[:5]:
        print(f"  {error}")
    return not errors and p99 < BOUND * 1000


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--daemon", default="target/release/chanceryd")
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--connections", type=int, default=1000)
    arguments.add_argument("--only", default="")
    given = arguments.parse_args()
    appliance = Appliance(given.daemon, revoked=500)
    try:
        print("| Attack | Healthy requests | Errors | p50 | p99 | Longest | Refused | Cut off | Memory after |\n|---|---|---|---|---|---|---|---|---|")
        chosen = {"none": None, **attacks(appliance, given.connections)}
        good = [run(appliance, name, command, given.seconds) for name, command in chosen.items() if given.only in name]
    finally:
        appliance.stop()
    print("every healthy request was answered in time" if all(good) else "healthy clients were harmed")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
