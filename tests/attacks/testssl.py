"""testssl.sh against a real daemon: it must find nothing at medium or above.

    testssl.py [--daemon target/release/chanceryd]

The listener's certificate is one that an authority of the appliance issues, as it would be in production. It ends with 1 when anything
is found.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from appliance import Appliance  # noqa: E402

SERIOUS = {"MEDIUM", "HIGH", "CRITICAL"}


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--daemon", default="target/release/chanceryd")
    given = arguments.parse_args()
    appliance = Appliance(given.daemon, revoked=0)
    with tempfile.TemporaryDirectory() as directory:
        found = pathlib.Path(directory) / "found.json"
        trust = pathlib.Path(directory) / "root.pem"
        # Debian calls it without its suffix.
        command = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--add-ca", trust, "--jsonfile", found]
        try:
            trust.write_text(own_certificate(appliance))
            ended = subprocess.run([*command, f"{appliance.host}:{appliance.port}"], stdin=subprocess.DEVNULL, timeout=3600)
        finally:
            appliance.stop()
        findings = json.loads(found.read_text())
    print(f"testssl.sh ended with {ended.returncode}, {len(findings)} findings")
    # It says with this whether it came to its end; the findings themselves are judged below.
    is_whole = any(finding["id"] == "scanTime" for finding in findings)
    serious = [finding for finding in findings if finding["severity"] in SERIOUS]
    for finding in serious:
        print(f"{finding['severity']} {finding['id']}: {finding['finding']}")
    is_good = is_whole and not serious
    print("nothing at medium or above" if is_good else "there is something to mend, or it did not come to its end")
    return 0 if is_good else 1


def own_certificate(appliance: Appliance) -> str:
    """Has the listener show a certificate of the appliance's own authority; gives that authority's."""
    authority = appliance.expect(200, "GET", f"/v1/pki/ca/{appliance.ca}/certificate")["certificate_pem"]
    path = appliance.path / "appliance" / "chancery.toml"
    before, rest = path.read_text().split("[tls]")
    after = rest.split("[[token]]", 1)[1]
    # It takes a certificate of 30 days, our default, for one that nobody renews in time.
    path.write_text(f'{before}[tls]\nca = "root"\nnames = ["{appliance.host}"]\nvalidity = "90d"\n\n[[token]]{after}')
    os.kill(appliance.process.pid, signal.SIGHUP)
    trusting = ssl.create_default_context(cadata=authority)
    for _ in range(300):
        try:
            with socket.create_connection((appliance.host, appliance.port), 10) as line:
                with trusting.wrap_socket(line, server_hostname=appliance.host):
                    return authority
        except ssl.SSLError:
            time.sleep(0.2)
    raise RuntimeError("the listener does not show the certificate of its authority")


if __name__ == "__main__":
    sys.exit(main())
