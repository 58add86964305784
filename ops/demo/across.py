"""People on different platforms talk: WhatsApp to Instagram and back, Telegram to Instagram, and a group of four."""

from contextlib import closing
from datetime import datetime
from itertools import pairwise
from typing import Any

from msgspec import Struct
from rich.console import Console

from ops.harness.api import Api
from ops.harness.phones import Phones
from ops.harness.readers import Readers
from ops.harness.system import Running
from ops.harness.waiting import wait_until

PATIENCE_S = 30.0
# What each channel can report of a delivery, at most.
FURTHEST = {"whatsapp": "READ", "instagram": "READ", "telegram": "SENT", "messenger": "DELIVERED", "chat4all": "READ"}


class Person(Struct, frozen=True):
    """Somebody with one app and no login of ours. `contact` is what we call them, where the provider tells no names."""

    name: str
    channel: str
    address: str
    contact: str = ""

    @property
    def place(self) -> str:
        """The address as the API takes it."""
        return f"{self.channel}:{self.address}"


DIEGO = Person("Diego", "whatsapp", "+5511988880001")
INES = Person("Inês", "instagram", "6789000001", "ines")
TOMAS = Person("Tomás", "telegram", "70001001")
COLOURS = {"whatsapp": "green", "instagram": "magenta", "telegram": "cyan", "messenger": "blue"}


def tell(system: Running, console: Console) -> bool:
    """Tell it. TimeoutError when the system does not play its part."""
    with (
        system.login("alice", system.demo_password("alice")) as alice,
        Readers({"alice": alice.token}, system.stream_target) as readers,
        closing(Story(system, console, readers)) as story,
    ):
        story.know(INES)
        console.rule("[bold]Diego on WhatsApp writes to Inês on Instagram")
        story.pair(DIEGO, INES, "Olá Inês, has the parcel come?", "It has, thank you!")
        console.rule("[bold]Tomás on Telegram writes to Inês on Instagram")
        story.pair(TOMAS, INES, "Inês, I shall be late.", "No hurry.")
        console.rule("[bold]A group: Alice with her stream, Diego, Inês and Tomás each on their own app")
        story.group(alice, (DIEGO, INES, TOMAS))
    console.print(f"\nTheir phones, side by side in a browser, to write on yourself: {system.settings.simulator_url}/phones\n")
    return True


class Story:
    """Tells scenes in a system. `readers` has Alice's stream."""

    def __init__(self, system: Running, console: Console, readers: Readers) -> None:
        self._console = console
        self._operator = system.operator()
        self._phones: Phones = system.phones
        self._readers = readers

    def know(self, person: Person) -> None:
        """Register a contact, so that in groups others read who it is that speaks."""
        called = {"user_id": person.contact, "display_name": person.name}
        self._operator.call("POST", "/v1/users", called, expect=(201, 409))
        path = f"/v1/users/{person.contact}/identities/{person.channel}"
        self._operator.call("PUT", path, {"address": person.address})

    def close(self) -> None:
        """Let go of the connection."""
        self._operator.close()

    def pair(self, one: Person, other: Person, words: str, answer: str) -> None:
        """One writes, the other reads it and answers, and the answer comes back."""
        members = {"type": "private", "members": [one.place, other.place]}
        talk = str(self._operator.call("POST", "/v1/conversations", members)["conversation_id"])
        # Linked, what he writes to our number goes to her. Her answer needs no link: it goes where she was written from.
        self._operator.call("PUT", f"/v1/conversations/{talk}/links/{one.channel}/{one.address}")
        self._console.print(
            f"[dim]One service client has made them a conversation, {talk}, and linked {one.name}'s address to it."
        )
        self._says(one, words, [other])
        # Her answer goes where she was written from: that is written down when the provider has answered. Nobody is quicker.
        wait_until("it is known to be sent", lambda: self._is_sent(talk), PATIENCE_S, 0.05)
        self._says(other, answer, [one])
        for message in self._operator.history(talk)[-2:]:
            self._way(message["message_id"], (one, other))
        self._operator.call("DELETE", f"/v1/conversations/{talk}/links/{one.channel}/{one.address}")

    def group(self, alice: Api, people: tuple[Person, ...]) -> None:
        """Alice writes to all; each of them answers, and everybody else reads it with the name in front."""
        members = {"type": "group", "members": ["alice", *(each.place for each in people)]}
        talk = str(self._operator.call("POST", "/v1/conversations", members)["conversation_id"])
        before = {each: len(self._phones.sent(each.channel, each.address)) for each in people}
        words = "Dinner on Friday?"
        sent = alice.send({"conversation_id": talk, "payload": {"type": "text", "text": words}})
        self._console.print(f"[bold blue]Alice[/] says: {words}")
        shown = {each: self._shows(each, f"Alice: {words}", before[each]) for each in people}
        for person, answer in zip(people, ("Count me in.", "Me too!", "I bring the wine."), strict=True):
            others = [each for each in people if each != person]
            self._says(person, answer, others, f"{person.name}: ", reply_to=shown[person]["provider_id"])
            self._alice_sees(talk, answer)
        self._way(sent["message_id"], people)
        numbers = [each["seq"] for each in self._operator.history(talk)]
        self._console.print(f"   {len(numbers)} messages, in one order for all: {all(a < b for a, b in pairwise(numbers))}")

    def _says(self, person: Person, words: str, to: list[Person], name: str = "", **more: str) -> None:
        before = {each: len(self._phones.sent(each.channel, each.address)) for each in to}
        self._phones.write(person.channel, person.address, words, name=person.name, **more)
        self._console.print(f"{called(person)} says: {words}")
        for each in to:
            self._shows(each, name + words, before[each])

    def _is_sent(self, talk: str) -> bool:
        newest = self._operator.history(talk)[-1]
        return all(each["status"] != "PENDING" for each in newest["deliveries"])

    def _shows(self, person: Person, words: str, before: int) -> dict[str, Any]:
        """Wait until the words are on somebody's phone, after what was there before."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            arrived = self._phones.sent(person.channel, person.address)[before:]
            found[:] = [each for each in arrived if each["text"] == words]
            return bool(found)

        wait_until(f"{person.name}'s phone shows it", came, PATIENCE_S, 0.05)
        self._console.print(f"   {called(person)}'s phone shows: {found[0]['text']}")
        return found[0]

    def _alice_sees(self, talk: str, words: str) -> None:
        def came() -> bool:
            return bool(self._readers.seen(lambda each: (each.conversation_id, each.text) == (talk, words)))

        wait_until("Alice's stream shows it", came, PATIENCE_S, 0.05)
        self._console.print(f"   [bold blue]Alice[/]'s stream shows: {words}")

    def _way(self, message_id: str, people: tuple[Person, ...]) -> None:
        """Wait until every delivery is where its channel can tell at most, and print them with their times."""
        path, found = f"/v1/messages/{message_id}", dict[str, Any]()

        def came() -> bool:
            found.update(self._operator.call("GET", path))
            return all(each["status"] == FURTHEST[each["channel"]] for each in found["deliveries"])

        wait_until(f"{message_id} is as far as can be known", came, PATIENCE_S)
        self._console.print(f"   [bold]the way of {message_id}")
        names = {each.channel: each.name for each in people}
        for each in found["deliveries"]:
            steps = "  ".join(f"{step['status']} {_clock(step['at'])}" for step in each["history"])
            self._console.print(
                f"     to {names.get(each['channel'], each['recipient'])} by {each['channel']}: [yellow]{steps}"
            )


def called(person: Person) -> str:
    """Their name as it is printed, with where they are."""
    return f"[bold {COLOURS[person.channel]}]{person.name}[/] [dim]({person.channel})[/]"


def _clock(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%H:%M:%S.%f")[:-3]
