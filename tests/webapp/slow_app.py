"""A small application for the gateway's worker, with short times and small bounds: `gunicorn tests.webapp.slow_app:app`."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from webapp import sockets, worker

worker.HEAD_S = 1.0
worker.TAKE_S = 2.0
worker.CONNECTIONS_MOST = 150
worker.HELD_MOST = 4 << 20
sockets.PATIENCE_S = 1.0
sockets.SLOW_AFTER_S = 1.0


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """/large: so many bytes, in pieces. Anything else: the length and sha256 of the body."""
    path = environ["PATH_INFO"]
    if path.endswith("/large"):
        size = int(environ["QUERY_STRING"])
        start("200 OK", [("Content-Length", str(size))])
        return (bytes(min(1 << 16, size - at)) for at in range(0, size, 1 << 16))
    digest, size = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(1 << 16):
        digest.update(chunk)
        size += len(chunk)
    told = f"{size} {digest.hexdigest()}".encode()
    start("200 OK", [("Content-Length", str(len(told)))])
    return [told]
