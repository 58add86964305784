"""Scenes through real processes: people on different platforms, and that nobody gets what was meant for another.

Telegram's updates are fetched here, so that both ways in are walked.
"""

import base64
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from chat4all.channels import CHANNELS
from chat4all.client import Client, Tokens
from chat4all.model.clock import DAY_MS, day_of, now_ms
from chat4all.model.ids import inbox_id
from chat4all.services.access.credentials import create_client
from ops.demo import across, contents, files
from ops.harness.api import Api
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from ops.simulator.model import Said
from ops.simulator.providers import open_providers
from storage.open import open_store
from tests.end_to_end.mixture import FURTHEST
from tests.tasks import media_samples as samples

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

PATIENCE_S = 60.0
NUMBERS = count(20_000_001)


@pytest.fixture(scope="module")
def system(shared_system: System) -> System:
    return shared_system


@pytest.fixture(scope="module")
def operator(system: System) -> Iterator[Api]:
    api = system.operator()
    yield api
    api.close()


@pytest.fixture
def join(system: System) -> Iterator[Callable[[str], Api]]:
    """Makes users, or finds them made; their connections are closed after the test."""
    made: list[Api] = []

    def register(who: str) -> Api:
        made.append(system.register(who))
        return made[-1]

    yield register
    for api in made:
        api.close()


def address(channel: str) -> str:
    """Somebody whom nobody knows yet."""
    return f"{'+55' if channel == 'whatsapp' else ''}21{next(NUMBERS)}"


def until(what: str, question: Callable[[], bool]) -> None:
    wait_until(what, question, PATIENCE_S)


def texts(system: System, channel: str, to: str) -> list[str]:
    """What somebody's phone shows."""
    return [each["text"] for each in system.phones.sent(channel, to)]


def shows(system: System, channel: str, to: str, *words: str) -> None:
    """Wait until somebody's phone shows exactly these."""
    until(f"a phone on {channel} shows {words}", lambda: len(texts(system, channel, to)) >= len(words))
    assert texts(system, channel, to) == list(words)


def said(api: Api, conversation: str) -> list[str]:
    """All words of a conversation, in order, as a member reads them."""
    return [each["payload"]["text"] for each in api.history(conversation)]


def found(operator: Api, kind: str, *members: str) -> str:
    """A conversation of these."""
    made = operator.call("POST", "/v1/conversations", {"type": kind, "members": list(members)})
    return str(made["conversation_id"])


def write(operator: Api, sender: str, to: str, words: str) -> dict[str, Any]:
    """A user writes to an address."""
    return operator.send({"from": sender, "to": [to], "payload": {"type": "text", "text": words}})


def comes_to_its_end(operator: Api, message_id: str) -> None:
    """Wait until every delivery is as far as its channel can tell."""

    def came() -> bool:
        deliveries = operator.call("GET", f"/v1/messages/{message_id}?wait=5")["deliveries"]
        return bool(deliveries) and all(each["status"] == FURTHEST[each["channel"]] for each in deliveries)

    until("every delivery came to its end", came)


def test_the_demo_tells_its_story(system: System) -> None:
    """What `make demo` shows of people on different platforms ends well, twice over, on a system with a past."""
    for _ in range(2):
        shown = io.StringIO()
        assert across.tell(system, Console(file=shown, width=120))
        assert "in one order for all: True" in shown.getvalue()


def test_the_demo_sends_a_file(system: System) -> None:
    """What `make demo` shows of a file: the store, a phone on WhatsApp and another member have the bytes that went up."""
    shown = io.StringIO()
    assert files.tell(system, Console(file=shown, width=120))
    assert shown.getvalue().count("the same") == 3


def test_the_demo_tells_of_more_than_words(system: System) -> None:
    """What `make demo` shows of an album, a reaction, a list, an edit and a voice note, from platform to platform."""
    told = io.StringIO()
    assert contents.tell(system, Console(file=told, width=120))
    lines = told.getvalue()
    assert "at the picture that he sent" in lines
    assert "Alice's program reads: day-2, to her question" in lines
    assert "in the history: Then Saturday!" in lines
    assert lines.count("in its place") == 1, "Telegram changes the message itself"


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_file_that_somebody_sends_becomes_a_file_message(
    system: System, operator: Api, join: Callable[[str], Api], tmp_path: Path, channel: str
) -> None:
    """A picture from a phone: a member gets its very bytes from our store, somebody else no address of them."""
    kim, stranger, sender, content = join("kim"), join("stranger"), address(channel), os.urandom(300_000)
    talk = write(operator, "kim", f"{channel}:{sender}", "show me")["conversation_id"]
    shows(system, channel, sender, "show me")
    photo = {"filename": "photo.jpg", "mime_type": "image/jpeg", "content": base64.b64encode(content).decode()}
    system.phones.write(channel, sender, "here it is", file=photo)

    def files() -> list[str]:
        payloads = [each["payload"] for each in kim.history(talk)]
        return [each["file_id"] for each in payloads if each["type"] == "media"]

    until("the file message is there", lambda: len(files()) == 1)
    [file_id] = files()
    until("it was fetched", lambda: kim.call("GET", f"/v1/files/{file_id}")["status"] == "ready")
    client = Client(system.settings.gateway_url, tokens=Tokens(kim.token))
    try:
        assert client.download(file_id, tmp_path / "photo").read_bytes() == content
    finally:
        client.close()
    assert stranger.request("GET", f"/v1/files/{file_id}/presigned")[0] == 404


def test_a_voice_note_from_a_browser_is_one_on_whatsapp(
    system: System, operator: Api, join: Callable[[str], Api], tmp_path: Path
) -> None:
    """Opus in WebM goes up and Opus in Ogg comes out, as a voice note; what was said after it comes after it."""
    join("kim")
    carla, note = address("whatsapp"), tmp_path / "note.webm"
    talk = write(operator, "kim", f"whatsapp:{carla}", "listen")["conversation_id"]
    note.write_bytes(samples.sound("webm", "libopus"))
    client = Client(system.settings.gateway_url, tokens=Tokens(operator.token))
    try:
        file_id = client.upload(note, talk, mime_type="audio/webm")["file_id"]
    finally:
        client.close()
    payload = {"type": "media", "file_id": file_id, "kind": "voice"}
    sent = operator.send({"from": "kim", "conversation_id": talk, "payload": payload})
    operator.send({"from": "kim", "conversation_id": talk, "payload": {"type": "text", "text": "heard it?"}})
    until("she has all three", lambda: len(system.phones.sent("whatsapp", carla)) >= 3)
    first, voice, last = system.phones.sent("whatsapp", carla)
    assert (first["text"], voice["kind"], voice["content"]["kind"], last["text"]) == ("listen", "audio", "voice", "heard it?")
    assert voice["media_sha256"] != hashlib.sha256(note.read_bytes()).hexdigest()
    [delivery] = operator.call("GET", f"/v1/messages/{sent['message_id']}")["deliveries"]
    assert delivery["conversion"] == {"form": "voice", "status": "made"}


@pytest.mark.parametrize(("one", "other"), [("whatsapp", "instagram"), ("telegram", "instagram"), ("messenger", "telegram")])
def test_people_on_two_platforms_talk(system: System, operator: Api, one: str, other: str) -> None:
    """One writes, the other reads it and answers, the answer comes back: each phone shows exactly that, and nobody's name."""
    writer, friend = address(one), address(other)
    talk = found(operator, "private", f"{one}:{writer}", f"{other}:{friend}")
    operator.call("PUT", f"/v1/conversations/{talk}/links/{one}/{writer}")
    system.phones.write(one, writer, "are you there?", name="Writer")
    shows(system, other, friend, "are you there?")
    system.phones.write(other, friend, "I am", name="Friend")
    shows(system, one, writer, "I am")
    assert said(operator, talk) == ["are you there?", "I am"]
    for message in operator.history(talk):
        comes_to_its_end(operator, message["message_id"])


def test_three_platforms_and_a_stream_are_one_group(system: System, operator: Api, join: Callable[[str], Api]) -> None:
    """Everybody reads everybody once, in one order, with the name in front; what they write needs no link to come back.

    Instagram tells no names: there people are what we call them.
    """
    anna = join("anna")
    places = {channel: address(channel) for channel in ("whatsapp", "instagram", "telegram")}
    operator.call("POST", "/v1/users", {"user_id": "ig", "display_name": "Instagram"})
    operator.call("PUT", "/v1/users/ig/identities/instagram", {"address": places["instagram"]})
    talk = found(operator, "group", "anna", *(f"{channel}:{to}" for channel, to in places.items()))
    with Readers({"anna": anna.token}, system.stream_target) as readers:
        anna.send({"conversation_id": talk, "payload": {"type": "text", "text": "hello all"}})
        wanted = {channel: ["anna: hello all"] for channel in places}
        for channel, to in places.items():
            shows(system, channel, to, "anna: hello all")
        for channel, to in places.items():
            system.phones.write(channel, to, f"hello from {channel}", name=channel.title())
            for other in places.keys() - {channel}:
                wanted[other].append(f"{channel.title()}: hello from {channel}")
                shows(system, other, places[other], *wanted[other])
        until("the stream shows all", lambda: len(readers.seen()) == 4)
        assert [each.text for each in readers.seen()] == ["hello all", *(f"hello from {channel}" for channel in places)]
    assert {channel: texts(system, channel, to) for channel, to in places.items()} == wanted
    for message in operator.history(talk):
        comes_to_its_end(operator, message["message_id"])


def test_of_two_senders_each_gets_their_own_answers(system: System, operator: Api, join: Callable[[str], Api]) -> None:
    """Two write to one contact: a plain answer is for who wrote last, a reply for whom it replies to, and neither reads the
    other's; a link decides only where nothing is replied to.
    """
    ben, eva = join("ben"), join("eva")
    contact = address("whatsapp")
    to_ben = write(operator, "ben", f"whatsapp:{contact}", "from ben")["conversation_id"]
    shows(system, "whatsapp", contact, "from ben")
    to_eva = write(operator, "eva", f"whatsapp:{contact}", "from eva")["conversation_id"]
    shows(system, "whatsapp", contact, "from ben", "from eva")
    bens = next(each["provider_id"] for each in system.phones.sent("whatsapp", contact) if each["text"] == "from ben")
    system.phones.write("whatsapp", contact, "for eva")
    until("eva has it", lambda: said(eva, to_eva) == ["from eva", "for eva"])
    system.phones.write("whatsapp", contact, "for ben", reply_to=bens)
    until("ben has it", lambda: said(ben, to_ben) == ["from ben", "for ben"])
    group = found(operator, "group", "eva", f"whatsapp:{contact}")
    operator.call("PUT", f"/v1/conversations/{group}/links/whatsapp/{contact}")
    system.phones.write("whatsapp", contact, "for the group")
    until("the group has it", lambda: said(eva, group) == ["for the group"])
    system.phones.write("whatsapp", contact, "for ben again", reply_to=bens)
    until("ben has it", lambda: said(ben, to_ben) == ["from ben", "for ben", "for ben again"])
    assert said(eva, to_eva) == ["from eva", "for eva"]
    for stranger, foreign in ((ben, to_eva), (ben, group), (eva, to_ben)):
        assert stranger.request("GET", f"/v1/conversations/{foreign}/messages")[0] == 404


def test_an_address_that_changes_hands_takes_nothing_along(system: System, operator: Api, join: Callable[[str], Api]) -> None:
    """Deliveries wait while the address goes to somebody else: they end as FAILED identity_moved, the new owner reads none of
    them, and what the new owner writes, even as a reply, is not the old owner's.
    """
    kim, contact = join("kim"), address("whatsapp")
    join("new-owner")
    first = write(operator, "kim", f"whatsapp:{contact}", "hello")
    shows(system, "whatsapp", contact, "hello")
    known = system.phones.sent("whatsapp", contact)[0]["provider_id"]
    system.phones.behave("whatsapp", rules=[{"status": 500, "code": 131000, "match": contact}])
    waiting = [write(operator, "kim", f"whatsapp:{contact}", f"secret {number}")["message_id"] for number in range(3)]

    def deliveries(message_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = operator.call("GET", f"/v1/messages/{message_id}?wait=5")["deliveries"]
        return found

    until("the first one was refused", lambda: any(each["attempts"] for each in deliveries(waiting[0])))
    operator.call("PUT", "/v1/users/new-owner/identities/whatsapp", {"address": contact})
    system.phones.behave("whatsapp")
    for message_id in waiting:
        until("it ended", lambda message_id=message_id: deliveries(message_id)[0]["status"] == "FAILED")  # type: ignore[misc]
        assert deliveries(message_id)[0]["reason"] == "identity_moved"
    assert texts(system, "whatsapp", contact) == ["hello"]
    system.phones.write("whatsapp", contact, "who was that?", reply_to=known)
    owner = join("new-owner")

    def own() -> list[str]:
        return [each["conversation_id"] for each in owner.call("GET", "/v1/conversations")["conversations"]]

    until("it has come", lambda: bool(own()) and said(owner, own()[0]) == ["who was that?"])
    assert first["conversation_id"] not in own()
    assert said(kim, first["conversation_id"]) == ["hello", "secret 0", "secret 1", "secret 2"]


@pytest.mark.parametrize("channel", CHANNELS)
def test_only_the_provider_brings_messages_and_only_for_our_account(system: System, channel: str) -> None:
    """Forged: refused, and read by nobody. Signed, but about another account: answered, and nothing comes of it."""
    provider, sender = open_providers(system.settings)[channel], address(channel)
    heard = Said(channel, provider.account, sender, "let me in", provider.new_id(sender), 1_700_000_000_000)
    body = provider.webhook([provider.said(heard)])
    foreign = body.replace(provider.account.encode(), b"999999999999999")
    forged = {name: f"{value[:-1]}{'0' if value[-1] != '0' else '1'}" for name, value in provider.signature(body).items()}
    assert post(system, channel, body, forged) == post(system, channel, body, {}) == 403
    if foreign != body:
        assert post(system, channel, body, provider.signature(foreign)) == 403
        assert post(system, channel, foreign, provider.signature(foreign)) == 200
    assert not owned(system, channel, sender)
    assert post(system, channel, body, provider.signature(body)) == 200
    assert owned(system, channel, sender)


def post(system: System, channel: str, body: bytes, headers: dict[str, str]) -> int:
    """A webhook; the status that it is answered with."""
    url = f"{system.settings.gateway_url}/channels/{channel}/webhook"
    return requests.post(url, body, headers={"Content-Type": "application/json", **headers}, timeout=15).status_code


def owned(system: System, channel: str, who: str) -> bool:
    """Whether an address is anybody's, a contact's included."""
    store = open_store(system.settings)
    try:
        return bool(store.owners([(channel, who)]))
    finally:
        store.close()


def test_a_body_that_does_not_say_its_length_has_the_same_limit(system: System, operator: Api) -> None:
    """Sent in chunks it is not known beforehand how much will come: it is refused all the same, and nothing is kept."""
    url, headers = f"{system.settings.gateway_url}/v1/messages", {"Authorization": f"Bearer {operator.token}"}
    chunks = (b"x" * 65_536 for _ in range(2 * system.settings.body_limit // 65_536))
    try:
        answer = requests.post(url, chunks, headers={**headers, "Content-Type": "application/json"}, timeout=15)
    except requests.ConnectionError:
        return  # It closed the door in our face, which is a refusal too.
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "messenger"])
def test_people_see_that_somebody_types_and_reads(
    system: System, operator: Api, join: Callable[[str], Api], channel: str
) -> None:
    """From a member's call to a phone; and however often it is said, it is little, and the words arrive all the same."""
    kim, person = join("kim"), address(channel)
    talk = write(operator, "kim", f"{channel}:{person}", "hello")["conversation_id"]
    shows(system, channel, person, "hello")
    system.phones.write(channel, person, "who is it?")
    until("the answer is there", lambda: said(kim, talk) == ["hello", "who is it?"])
    before = system.phones.stats()[channel]
    kim.call("POST", f"/v1/conversations/{talk}/read", {"up_to": kim.history(talk)[-1]["seq"], "tell": True})
    words = [f"word {number}" for number in range(20)]
    for each in words:
        kim.call("POST", f"/v1/conversations/{talk}/typing")
        kim.send({"conversation_id": talk, "payload": {"type": "text", "text": each}})
    shows(system, channel, person, "hello", *words)

    def seen(kind: str) -> int:
        return int(system.phones.stats()[channel].get(kind, 0)) - int(before.get(kind, 0))

    until("a phone shows both", lambda: seen("read") == 1 and seen("typing") >= 1)
    # One handed on in three seconds, whatever is said in between, and not all of those are new to the phone.
    assert seen("typing") <= len(words) // 2


def test_people_see_who_types_and_who_is_there(system: System, join: Callable[[str], Api]) -> None:
    """Two users with streams: each is there for the other, one types, and nobody knows of who hid themselves."""
    ann, ben = join("ann"), join("ben")
    talk = ann.private("ann", "ben")
    with Readers({"ann": ann.token, "ben": ben.token}, system.stream_target, acknowledges=False):

        def there(who: Api, user: str) -> bool:
            [found] = who.call("GET", f"/v1/presence?user_id={user}")["presence"]
            return bool(found["online"])

        until("each is there", lambda: there(ann, "ben") and there(ben, "ann"))
        with events_of(system, ben) as told:
            ann.call("POST", f"/v1/conversations/{talk}/typing")
            until("it is told", lambda: ("typing.updated", "ann") in told)
            ann.call("PUT", "/v1/users/me/presence", {"hidden": True})
            until("she is gone", lambda: ("presence.updated", "ann") in told and not there(ben, "ann"))


@contextmanager
def events_of(system: System, who: Api) -> Iterator[set[tuple[str, str]]]:
    """Type and user of the events of somebody's stream that name one."""
    told: set[tuple[str, str]] = set()
    headers = {"Authorization": f"Bearer {who.token}"}
    url = f"http://127.0.0.1:{system.settings.events_port}/v1/events"
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:

        def read() -> None:
            with suppress(requests.RequestException, AttributeError):
                for line in answer.iter_lines():
                    if line.startswith(b"data: "):
                        event = json.loads(line.removeprefix(b"data: "))
                        told.add((event["type"], event.get("user_id", "")))

        threading.Thread(target=read, daemon=True).start()
        yield told


def test_a_pressed_button_stops_to_spin(system: System, operator: Api) -> None:
    """Telegram's updates are fetched: who fetches them has the press answered."""
    person = address("telegram")
    choices = {
        "type": "choices",
        "text": "Tea or coffee?",
        "options": [{"id": "t", "title": "Tea"}, {"id": "c", "title": "Coffee"}],
    }
    operator.send({"from": "kim", "to": [f"telegram:{person}"], "payload": choices})
    until("the buttons are there", lambda: len(system.phones.sent("telegram", person)) == 1)
    [asked] = system.phones.sent("telegram", person)
    before = system.phones.stats()["telegram"].get("pressed", 0)
    option = asked["content"]["options"][1]["id"]
    press = {"type": "answer", "target": asked["provider_id"], "option": option}
    system.phones.write("telegram", person, "", content=press)
    until("the press was answered", lambda: system.phones.stats()["telegram"].get("pressed", 0) == before + 1)


def test_a_stranger_is_answered_by_a_bot_and_then_by_a_human(system: System, operator: Api, join: Callable[[str], Api]) -> None:
    """The bot hands over, and is refused from then on; what was closed is open and unread at the stranger's next words; and no
    provider has heard what those who answer said among themselves.
    """
    join("kim")
    stranger, hello = address("whatsapp"), f"hello {next(NUMBERS)}"
    from_us = {"from": inbox_id("whatsapp")}
    system.phones.write("whatsapp", stranger, hello)
    until("it is among what waits", lambda: bool(waiting(operator, hello)))
    [talk] = waiting(operator, hello)
    path = f"/v1/conversations/{talk}"
    with bot(system) as answers:
        answers.send({**from_us, "conversation_id": talk, "payload": {"type": "text", "text": "I am a bot"}})
        shows(system, "whatsapp", stranger, "I am a bot")
        operator.call("PATCH", path, {"handler": "human", "assignee": "kim"})
        body = {**from_us, "conversation_id": talk, "payload": {"type": "text", "text": "and another thing"}}
        until("the bot is silent", lambda: answers.request("POST", "/v1/messages", body)[1].get("code") == "handled_by_human")
    note = f"careful with {stranger}"
    operator.send({"conversation_id": talk, "payload": {"type": "text", "text": note}, "visibility": "internal"})
    saved = {"title": "Greeting", "shortcut": f"s{next(NUMBERS)}", "text": "Hi {{name|you}}, {{agent|Kim}} here"}
    reply = operator.call("POST", "/v1/saved-replies", saved)
    said = operator.call("POST", f"/v1/saved-replies/{reply['reply_id']}/render", {"conversation_id": talk, "agent": "kim"})
    operator.send({**from_us, "conversation_id": talk, "payload": said["payload"]})
    until("the human's words arrive", lambda: texts(system, "whatsapp", stranger)[-1].endswith("here"))
    until("they are stored", lambda: operator.history(talk)[-1]["payload"] == said["payload"])
    operator.call("POST", f"{path}/read", {"up_to": operator.history(talk)[-1]["seq"]})
    until("all is read", lambda: operator.call("GET", path)["unread"] == 0)
    closed = operator.call("PATCH", path, {"state": "closed", "handler": "nobody"})
    assert (closed["state"], waiting(operator, hello)) == ("closed", [])
    system.phones.write("whatsapp", stranger, "one more thing")
    until("it waits again", lambda: waiting(operator, hello) == [talk])
    until("it is unread", lambda: operator.call("GET", path)["unread"] == 1)
    assert note in [each["payload"].get("text") for each in operator.history(talk)]
    assert not any(note in json.dumps(system.phones.sent(channel)) for channel in CHANNELS), "a provider got the note"
    today = now_ms()
    asked = f"since={day_of(today - DAY_MS)}&until={day_of(today + DAY_MS)}&by=channel,agent"
    rows = operator.call("GET", f"/v1/reports/conversations?{asked}")["rows"]
    assert any((row["channel"], row["agent"]) == ("whatsapp", "kim") and row["conversations"] for row in rows)


def waiting(operator: Api, words: str) -> list[str]:
    """The open conversations that began with these words, of the newest."""
    found = operator.call("GET", "/v1/conversations?state=open&limit=20")["conversations"]
    names = [each["conversation_id"] for each in found]
    return [each for each in names if any(said["payload"].get("text") == words for said in operator.history(each)[:1])]


def bot(system: System) -> Api:
    """A service client that may send, and nothing more."""
    name = f"bot-{next(NUMBERS)}"
    store = open_store(system.settings)
    try:
        secret = create_client(store, name, ["send"])
    finally:
        store.close()
    return system.login(name, secret)
