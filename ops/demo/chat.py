"""Two users chat live; one writes to a person on WhatsApp, who reads and answers. Each message's way is shown."""

from datetime import datetime
from typing import Any

from rich.console import Console

from ops.harness.api import Api
from ops.harness.readers import Readers, Seen
from ops.harness.system import Running
from ops.harness.waiting import wait_until

CARLA = "+5511999990000"
PATIENCE_S = 20.0


def tell(system: Running, console: Console) -> bool:
    """Tell it. TimeoutError when the system does not play its part."""
    console.rule("[bold]Two users, each with a live stream")
    with (
        system.login("alice", system.demo_password("alice")) as alice,
        system.login("bob", system.demo_password("bob")) as bob,
        Readers({"alice": alice.token, "bob": bob.token}, system.stream_target) as readers,
    ):
        _Story(system, console, readers).go(alice, bob)
    console.print("\n[green]All of it went through the gateway, the log, Celery and the store.[/] Next: make demo-kill\n")
    return True


class _Story:
    def __init__(self, system: Running, console: Console, readers: Readers) -> None:
        self._system = system
        self._console = console
        self._readers = readers

    def go(self, alice: Api, bob: Api) -> None:
        talk = alice.private("alice", "bob")
        first = self._say(alice, "Alice", talk, "Hi Bob, are you there?")
        self._arrives(first, "bob")
        second = self._say(bob, "Bob", talk, "I am. What is up?")
        self._arrives(second, "alice")
        self._timeline(alice, first)
        self._timeline(bob, second)
        self._console.rule("[bold]Alice writes to Carla, who has WhatsApp and nothing else")
        third, contact = self._to_carla()
        phone = self._on_her_phone()
        self._timeline(alice, third, until="READ")
        self._answer(alice, phone, contact)

    def _say(self, api: Api, who: str, talk: str, words: str) -> str:
        answer = api.send({"conversation_id": talk, "payload": {"type": "text", "text": words}})
        self._console.print(f"[bold cyan]{who}[/] says: {words}   [dim]accepted: {answer['message_id']}")
        return str(answer["message_id"])

    def _arrives(self, message_id: str, reader: str) -> Seen:
        def is_it(seen: Seen) -> bool:
            return seen.message_id == message_id and seen.reader == reader

        wait_until(f"{reader} reads the message", lambda: bool(self._readers.seen(is_it)), PATIENCE_S, 0.02)
        seen = self._readers.seen(is_it)[0]
        self._console.print(f"   [green]{reader.capitalize()}'s stream shows:[/] {seen.text}")
        return seen

    def _to_carla(self) -> tuple[str, str]:
        """A service client may write to an address, in a user's name."""
        words = "Hello Carla, your order is ready."
        body = {"from": "alice", "to": [f"whatsapp:{CARLA}"], "payload": {"type": "text", "text": words}}
        with self._system.operator() as operator:
            answer = operator.send(body)
        self._console.print(f"[bold cyan]Alice[/] says: {words}   [dim]accepted: {answer['message_id']}")
        return str(answer["message_id"]), str(answer["conversation_id"])

    def _on_her_phone(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found[:] = [each for each in self._system.phones.sent("whatsapp", CARLA) if "order is ready" in each["text"]]
            return bool(found)

        wait_until("the message is on Carla's phone", came, PATIENCE_S, 0.05)
        self._console.print(f"   [green]Carla's phone shows:[/] {found[-1]['text']}")
        return found[-1]

    def _answer(self, alice: Api, phone: dict[str, Any], contact: str) -> None:
        words = "Thank you! I am on my way."
        known = len(self._readers.seen(lambda each: each.conversation_id == contact))
        self._system.phones.write("whatsapp", CARLA, words, name="Carla", reply_to=str(phone["provider_id"]))
        self._console.print(f"[bold magenta]Carla[/] answers on her phone: {words}")

        def answers() -> list[Seen]:
            return list(self._readers.seen(lambda each: each.conversation_id == contact and each.reader == "alice"))[known:]

        wait_until("Alice reads Carla's answer", lambda: any(each.text == words for each in answers()), PATIENCE_S, 0.02)
        self._console.print(f"   [green]Alice's stream shows:[/] {words}")
        self._timeline(alice, answers()[-1].message_id)

    def _timeline(self, api: Api, message_id: str, until: str = "READ") -> None:
        """Print a message's deliveries with the times of all their states, once it has come as far as `until`."""
        path = f"/v1/messages/{message_id}?wait=5"
        wait_until(f"{message_id} is {until}", lambda: api.call("GET", path)["status"] == until, PATIENCE_S)
        message = api.call("GET", path)
        self._console.print(f"   [bold]the way of {message_id}[/]: {message['status']}")
        for each in message["deliveries"]:
            steps = "  ".join(f"{step['status']} {_clock(step['at'])}" for step in each["history"])
            self._console.print(f"     to {_name(each['recipient'])} by {each['channel']}: [yellow]{steps}")


def _name(recipient: str) -> str:
    return "Carla" if recipient.startswith("contact-") else recipient


def _clock(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%H:%M:%S.%f")[:-3]
