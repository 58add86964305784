"""More than words: an album, a reaction, a list answered with a number, an edit and a voice note, across four platforms."""

from base64 import b64encode
from contextlib import closing
from typing import Any

from rich.console import Console

from ops.demo.across import DIEGO, INES, PATIENCE_S, TOMAS, Person, called
from ops.demo.pictures import picture, voice_note
from ops.harness.api import Api
from ops.harness.phones import Phones
from ops.harness.readers import Readers
from ops.harness.system import Running
from ops.harness.waiting import wait_until

MARTA = Person("Marta", "messenger", "6789000004", "marta")
DAYS = ("Friday, as early as you like", "Saturday, after the market", "Sunday, with everybody else")


def tell(system: Running, console: Console) -> bool:
    """Tell it. TimeoutError when the system does not play its part."""
    with (
        system.login("alice", system.demo_password("alice")) as alice,
        Readers({"alice": alice.token}, system.stream_target) as readers,
        closing(_Story(system, console, readers, alice)) as story,
    ):
        console.rule("[bold]An album from WhatsApp reaches Instagram and Telegram")
        pictures = story.album()
        console.rule("[bold]Somebody reacts on Telegram, and it shows on WhatsApp")
        story.reaction(pictures)
        console.rule("[bold]A list is answered with a number on Messenger")
        story.choice()
        console.rule("[bold]A word is edited")
        story.edit()
        console.rule("[bold]A voice note plays")
        story.voice()
    return True


class _Story:
    """Scenes of a group: Alice with her stream, and one person on each platform."""

    def __init__(self, system: Running, console: Console, readers: Readers, alice: Api) -> None:
        self._console, self._readers, self._alice = console, readers, alice
        self._operator = system.operator()
        self._phones: Phones = system.phones
        for person in (INES, MARTA):
            self._know(person)
        places = [each.place for each in (DIEGO, INES, TOMAS, MARTA)]
        made = self._operator.call("POST", "/v1/conversations", {"type": "group", "members": ["alice", *places]})
        self._talk = str(made["conversation_id"])
        # Linked, what they write to our numbers comes in here.
        for each in (DIEGO, INES, TOMAS, MARTA):
            self._operator.call("PUT", f"/v1/conversations/{self._talk}/links/{each.channel}/{each.address}")

    def close(self) -> None:
        """Let go of the links, and of the connection."""
        for each in (DIEGO, INES, TOMAS, MARTA):
            self._operator.call("DELETE", f"/v1/conversations/{self._talk}/links/{each.channel}/{each.address}")
        self._operator.close()

    def _know(self, person: Person) -> None:
        self._operator.call("POST", "/v1/users", {"user_id": person.contact, "display_name": person.name}, expect=(201, 409))
        path = f"/v1/users/{person.contact}/identities/{person.channel}"
        self._operator.call("PUT", path, {"address": person.address})

    def album(self) -> list[str]:
        """Two pictures of Diego's; what his provider calls them."""
        before = {each: self._count(each) for each in (INES, TOMAS)}
        ids = []
        for number, colour in enumerate(((200, 60, 40), (40, 110, 200)), 1):
            file = {"filename": f"beach-{number}.png", "mime_type": "image/png", "content": b64encode(picture(colour)).decode()}
            said = self._phones.write(DIEGO.channel, DIEGO.address, "", name=DIEGO.name, file=file)
            ids.append(str(said["provider_id"]))
        self._console.print(f"{called(DIEGO)} sends two pictures")
        for person, known in before.items():
            shown = self._shows(person, "two pictures", known, _is_media, 2)
            self._console.print(f"   {called(person)}'s phone shows: {len(shown)} pictures, {_kinds(shown)}")
        return ids

    def reaction(self, pictures: list[str]) -> None:
        """Tomás likes the first of them."""
        known = self._count(DIEGO)
        there = [each for each in self._phones.sent(TOMAS.channel, TOMAS.address) if _is_media(each)]
        liked = {"type": "reaction", "target": there[-2]["provider_id"], "emoji": "😍"}
        self._phones.write(TOMAS.channel, TOMAS.address, "", name=TOMAS.name, content=liked)
        self._console.print(f"{called(TOMAS)} reacts: 😍")
        [shown] = self._shows(DIEGO, "the reaction", known, lambda each: each.get("content", {}).get("type") == "reaction", 1)
        is_his = shown["content"]["target"] == pictures[0]
        where = "at the picture that he sent" if is_his else "[red]at another message"
        self._console.print(f"   {called(DIEGO)}'s phone shows: {shown['content']['emoji']} {where}")

    def choice(self) -> None:
        """Alice asks Marta; she answers in a way that everybody knows."""
        known = self._count(MARTA)
        options = [{"id": f"day-{number}", "title": title} for number, title in enumerate(DAYS, 1)]
        payload = {"type": "choices", "style": "list", "text": "When do we meet?", "options": options}
        sent = self._alice.send({"conversation_id": self._talk, "payload": payload})
        self._console.print(f"[bold blue]Alice[/] asks: When do we meet? {' / '.join(DAYS)}")
        [shown] = self._shows(MARTA, "the choices", known, lambda each: "When do we meet?" in each["text"], 1)
        self._console.print(f"   {called(MARTA)}'s phone shows: {shown['text']!r}")
        wait_until("it is known to be sent", lambda: self._is_sent(sent["message_id"], MARTA), PATIENCE_S, 0.05)
        self._phones.write(MARTA.channel, MARTA.address, "2", name=MARTA.name)
        self._console.print(f"{called(MARTA)} says: 2")
        answer = self._newest("answer")
        chosen = answer["payload"]["option_id"], answer["payload"]["target"] == sent["message_id"]
        self._console.print(f"   Alice's program reads: {chosen[0]}, {'to her question' if chosen[1] else '[red]to another'}")

    def edit(self) -> None:
        """Alice mends a word; Telegram changes the message itself, the others are told."""
        sent = self._alice.send({"conversation_id": self._talk, "payload": {"type": "text", "text": "Then Saturdya!"}})
        people = (DIEGO, INES, TOMAS, MARTA)
        wait_until("it went out", lambda: all(self._is_sent(sent["message_id"], each) for each in people), PATIENCE_S, 0.05)
        known = {each: self._count(each) for each in people}
        edit = {"type": "edit", "target": sent["message_id"], "content": {"type": "text", "text": "Then Saturday!"}}
        self._alice.send({"conversation_id": self._talk, "payload": edit})
        self._console.print("[bold blue]Alice[/] edits: Then Saturday!")
        for person in people:
            [shown] = self._shows(person, "the edit", known[person], lambda each: "Saturday!" in each["text"], 1)
            how = "in its place" if shown.get("content", {}).get("type") == "edit" else "as a new line"
            self._console.print(f"   {called(person)}'s phone shows it {how}")
        history = self._operator.call("GET", f"/v1/messages/{sent['message_id']}?conversation_id={self._talk}")
        self._console.print(f"   in the history: {history['payload']['text']} [dim]edited {history['edited_at']}")

    def voice(self) -> None:
        """Diego records one second."""
        known = self._count(TOMAS)
        file = {"filename": "voice.ogg", "mime_type": "audio/ogg", "kind": "voice", "content": b64encode(voice_note()).decode()}
        self._phones.write(DIEGO.channel, DIEGO.address, "", name=DIEGO.name, file=file)
        self._console.print(f"{called(DIEGO)} sends a voice note")
        [shown] = self._shows(TOMAS, "the voice note", known, _is_media, 1)
        self._console.print(f"   {called(TOMAS)}'s phone plays it: {shown['kind']}, {shown.get('media_size', 0)} bytes")

    def _count(self, person: Person) -> int:
        return len(self._phones.sent(person.channel, person.address))

    def _shows(self, person: Person, what: str, before: int, is_it: Any, many: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found[:] = [each for each in self._phones.sent(person.channel, person.address)[before:] if is_it(each)]
            return len(found) >= many

        wait_until(f"{person.name}'s phone shows {what}", came, PATIENCE_S, 0.05)
        return found

    def _is_sent(self, message_id: str, person: Person) -> bool:
        path = f"/v1/messages/{message_id}?conversation_id={self._talk}&wait=5"
        deliveries = self._operator.call("GET", path)["deliveries"]
        return all(each["status"] != "PENDING" for each in deliveries if each["channel"] == person.channel)

    def _newest(self, kind: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found[:] = [each for each in self._operator.history(self._talk) if each["payload"]["type"] == kind]
            return bool(found)

        wait_until(f"the history has the {kind}", came, PATIENCE_S, 0.05)
        return found[-1]


def _is_media(arrival: dict[str, Any]) -> bool:
    return bool(arrival.get("media")) or arrival.get("kind") not in ("text", None)


def _kinds(shown: list[dict[str, Any]]) -> str:
    return ", ".join(sorted({each.get("kind", "text") for each in shown}))
