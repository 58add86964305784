"""An endpoint of outgoing webhooks in a process of its own, which verifies calls by the library `standardwebhooks`.

`python -m ops.harness.endpoint PORT FOLDER`: what was told is in FOLDER before it is answered: a kill loses nothing.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chat4all.root import ROOT
from ops.harness.waiting import wait_until
from ops.native.processes import free_ports

# Whoever calls this path waits until they give up.
HANGS = "/hangs"
START_S = 15.0


class Heard(Struct, frozen=True):
    """An event of a call that was verified. `at`: when it came, ms UTC. `event_id`: its webhook-id; of a batch its own.

    `event`: the body. `together`: how many came in one call.
    """

    path: str
    at: int
    event_id: str
    event: dict[str, Any]
    together: int = 1

    @property
    def took_ms(self) -> float:
        """From when it happened until it came."""
        return self.at - datetime.fromisoformat(self.event["timestamp"]).timestamp() * 1000


def firsts(heard: Iterable[Heard]) -> list[Heard]:
    """Without repeats under the same id."""
    found: dict[str, Heard] = {}
    for each in heard:
        found.setdefault(each.event_id, each)
    return list(found.values())


class Endpoint:
    """The process, and what it was told. It may be killed and started again, and listens at the same port then."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._port = folder, free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, path: str) -> str:
        """Where a webhook of this path goes."""
        return f"http://127.0.0.1:{self._port}{path}"

    def trusts(self, path: str, secret: str) -> None:
        """Calls to this path are signed with this secret."""
        known = _secrets(self._folder)
        (self._folder / "secrets.json").write_text(json.dumps(known | {path: secret}))

    def start(self) -> None:
        """Begin to answer."""
        command = [sys.executable, "-m", "ops.harness.endpoint", str(self._port), str(self._folder)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        wait_until("the endpoint answers", self._answers, START_S)

    def kill(self) -> None:
        """As a machine that is taken away. Safe to call twice."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def heard(self, path: str) -> list[Heard]:
        """All that was told to a path, in order, repeats included."""
        found = [msgspec.json.decode(line, type=Heard) for line in _lines(self._folder / "heard")]
        return [each for each in found if each.path == path]

    def refused(self) -> list[str]:
        """Why calls were not verified."""
        return [line.decode() for line in _lines(self._folder / "refused")]

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=2)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        return False


def _lines(path: Path) -> Sequence[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def _secrets(folder: Path) -> dict[str, str]:
    path = folder / "secrets.json"
    return json.loads(path.read_text()) if path.exists() else {}


class _Listening:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secrets: dict[str, Webhook] = {}

    async def told(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            event = self._verifier(request.path).verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self._keep("refused", f"{request.path}: {error}".encode())
            return web.Response(status=401)
        heard = each_of(request.path, request.headers["webhook-id"], event)
        self._keep("heard", b"\n".join(map(msgspec.json.encode, heard)))
        return web.Response(status=204)

    def _verifier(self, path: str) -> Webhook:
        if path not in self._secrets:
            self._secrets[path] = Webhook(_secrets(self._folder)[path])
        return self._secrets[path]

    def _keep(self, name: str, line: bytes) -> None:
        file = os.open(self._folder / name, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(file, line + b"\n")
        finally:
            os.close(file)


def each_of(path: str, webhook_id: str, event: dict[str, Any]) -> list[Heard]:
    """The events of a call: of a batch each under its own id, as if it had come by itself."""
    events = event["data"]["events"] if event["type"] == "webhook.batch" else [event]
    now = int(time.time() * 1000)
    return [Heard(path, now, webhook_id if each is event else each["id"], each, len(events)) for each in events]


async def _hang(_: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


async def _here(_: web.Request) -> web.Response:
    return web.Response()


@contextlib.contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """One that answers inside, and is gone after."""
    made = Endpoint(folder)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def main() -> None:
    """Listen until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    app = web.Application()
    app.router.add_get("/", _here)
    app.router.add_post(HANGS, _hang)
    app.router.add_post("/{name}", _Listening(folder).told)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main()
