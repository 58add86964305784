"""Small servers of the tests' own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer
from typing import TypeVar

Serving = TypeVar("Serving", bound=BaseServer)


@contextmanager
def served(server: Serving) -> Iterator[Serving]:
    """It answers inside, in a thread; gone after."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
