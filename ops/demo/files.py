"""A file travels: Alice uploads it in parts, Diego gets it on WhatsApp, Bob fetches it; all hold the same bytes."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn
from rich.progress import Progress as Bars

from chat4all.client import Client, Tokens
from ops.demo.across import COLOURS, DIEGO
from ops.harness.api import Api
from ops.harness.system import Running
from ops.harness.waiting import wait_until

NAME = "plans.pdf"
# More than one part, and less than what WhatsApp takes as a document.
SIZE = 24 << 20
WORDS = "The plans, as promised."
PATIENCE_S = 60.0


def tell(system: Running, console: Console) -> bool:
    """Tell it; False when what came is not what was sent. TimeoutError when the system does not play its part."""
    console.rule(f"[bold]A file of {SIZE >> 20} MB: up in parts, out to WhatsApp, down again")
    with system.operator() as operator:
        made = operator.call("POST", "/v1/conversations", {"type": "group", "members": ["alice", "bob", DIEGO.place]})
    with tempfile.TemporaryDirectory() as folder:
        return _Story(system, console, str(made["conversation_id"]), Path(folder)).go()


class _Story:
    def __init__(self, system: Running, console: Console, talk: str, folder: Path) -> None:
        self._system = system
        self._console = console
        self._talk = talk
        self._folder = folder

    def go(self) -> bool:
        file = self._folder / NAME
        file.write_bytes(os.urandom(SIZE))
        wanted = _sha256(file)
        known = len(self._system.phones.sent(DIEGO.channel, DIEGO.address))
        with self._login("alice") as alice, self._login("bob") as bob:
            file_id = self._sends(alice, file)
            came = {
                "the store": self._kept(alice, file_id),
                "Diego's phone": self._on_his_phone(known),
                "Bob": self._fetches(bob, file_id),
            }
        self._console.print(f"   sha256 of what Alice has  {wanted}")
        for who, checksum in came.items():
            verdict = "[green]the same" if checksum == wanted else f"[red]{checksum}"
            self._console.print(f"   {who} has: {verdict}")
        return set(came.values()) == {wanted}

    def _login(self, who: str) -> Api:
        return self._system.login(who, self._system.demo_password(who))

    def _client(self, api: Api) -> Client:
        return Client(self._system.settings.gateway_url, tokens=Tokens(api.token))

    def _bars(self) -> Bars:
        return Bars(TextColumn("   {task.description}"), BarColumn(), DownloadColumn(), console=self._console)

    def _sends(self, alice: Api, file: Path) -> str:
        client = self._client(alice)
        try:
            with self._bars() as bars:
                task = bars.add_task("[bold blue]Alice[/] uploads", total=SIZE)
                done = client.upload(file, self._talk, progress=lambda more: bars.advance(task, more))
            sent = client.send(WORDS, conversation_id=self._talk, file_id=done["file_id"])
        finally:
            client.close()
        self._console.print(f"[bold blue]Alice[/] says: {WORDS} [dim]({NAME})   accepted: {sent.message_id}")
        return str(done["file_id"])

    def _kept(self, alice: Api, file_id: str) -> str:
        return str(alice.call("GET", f"/v1/files/{file_id}")["checksum"])

    def _on_his_phone(self, known: int) -> str:
        found: list[dict[str, Any]] = []

        def came() -> bool:
            arrived = self._system.phones.sent(DIEGO.channel, DIEGO.address)[known:]
            found[:] = [each for each in arrived if each.get("media_sha256")]
            return bool(found)

        wait_until("Diego's phone has the file", came, PATIENCE_S, 0.05)
        colour = COLOURS[DIEGO.channel]
        self._console.print(f"   [bold {colour}]{DIEGO.name}[/]'s phone shows: {found[0]['text']} [dim]({NAME})")
        return str(found[0]["media_sha256"])

    def _fetches(self, bob: Api, file_id: str) -> str:
        client = self._client(bob)
        try:
            with self._bars() as bars:
                task = bars.add_task("[bold blue]Bob[/] downloads", total=SIZE)
                return _sha256(client.download(file_id, self._folder / "bob", progress=lambda more: bars.advance(task, more)))
        finally:
            client.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
