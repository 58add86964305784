"""A small application for the gateway's worker, with short times and small bounds: `gunicorn tests.webapp.slow_app:app`."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from chat4all.telemetry.instruments import REGISTRY
from webapp.server import sockets, worker

worker.HEAD_S = 1.0
worker.TAKE_S = 2.0
worker.CONNECTIONS_MOST = 150
worker.HELD_MOST = 4 << 20
sockets.PATIENCE_S = 1.0
sockets.SLOW_AFTER_S = 1.0

# As a gateway whose store does not answer while it is loaded.
time.sleep(float(os.environ.get("SLOW_APP_LOADS_S", "0")))


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """/large: so many bytes, in pieces. /cut: how many connections were cut for this. Else: the body's length and sha256.

    /slow: so many seconds later.
    """
    path = environ["PATH_INFO"]
    if path.endswith("/large"):
        size = int(environ["QUERY_STRING"])
        start("200 OK", [("Content-Length", str(size))])
        return (bytes(min(1 << 16, size - at)) for at in range(0, size, 1 << 16))
    if path.endswith("/cut"):
        number = REGISTRY.get_sample_value("chat4all_connections_cut_total", {"why": environ["QUERY_STRING"]}) or 0
        start("200 OK", [])
        return [str(int(number)).encode()]
    if path.endswith("/slow"):
        time.sleep(float(environ["QUERY_STRING"]))
    digest, size = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(1 << 16):
        digest.update(chunk)
        size += len(chunk)
    told = f"{size} {digest.hexdigest()}".encode()
    start("200 OK", [("Content-Length", str(len(told)))])
    return [told]
