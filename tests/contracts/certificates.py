"""Certificates of the tests' own."""

import subprocess
from pathlib import Path

from ops.native.processes import LOOPBACK


def certificate(folder: Path) -> Path:
    """A key and a certificate for this machine, signed by itself, in one file; the certificate alone in ca.pem."""
    key, ca, both = folder / "key.pem", folder / "ca.pem", folder / "both.pem"
    subject = ["-subj", "/CN=broker", "-addext", f"subjectAltName=IP:{LOOPBACK}"]
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(ca), "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *made, *subject], check=True, capture_output=True, timeout=30)
    both.write_text(key.read_text() + ca.read_text())
    return both
