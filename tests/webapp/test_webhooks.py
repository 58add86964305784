"""Webhooks over the real channels: what cannot be read, or is for another account, is kept whole and can be taken again."""

import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from limits.storage import MemoryStorage

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.clock import now_ms
from chat4all.model.content import Edit, Text
from chat4all.model.deliveries import Facts
from chat4all.model.records import ProviderReceipt
from chat4all.model.signals import PRESSED, Signal
from chat4all.ports import DeadLetter
from chat4all.services.dead_letters import scan
from chat4all.settings import Settings
from tests.channels import payloads
from tests.channels import test_mutations as mutations
from tests.wakes import Wakes
from tests.webapp.driver import Driver, watched
from webapp.app import create_app

ANOTHER = "100000000000999"


class Provider:
    """A gateway with the channels that the service has, and whoever signs for their providers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wakes, channels = Wakes(), {name: open_channel(name, settings) for name in CHANNELS}
        self.driver = Driver(create_app(settings, channels, MemoryStorage(), self.wakes, watched))
        if not self.driver.parts.store.users(["boss"]):
            self.driver.service("boss", "admin")
        self.driver.tokens["boss"] = self.driver.token(self.driver.parts.store.users(["boss"])["boss"])

    def posts(self, channel: str, webhook: Any, expect: int = 200) -> None:
        body = webhook if isinstance(webhook, bytes) else json.dumps(webhook).encode()
        if channel == "telegram":
            headers = {"X-Telegram-Bot-Api-Secret-Token": self.settings.secret("telegram_webhook_secret")}
        else:
            digest = hmac.new(self.settings.secret(f"{channel}_app_secret").encode(), body, hashlib.sha256).hexdigest()
            headers = {"X-Hub-Signature-256": f"sha256={digest}"}
        answer = self.driver.client.post(f"/channels/{channel}/webhook", data=body, headers=headers)
        assert answer.status_code == expect, answer.get_data(as_text=True)

    def texts(self) -> list[str]:
        return [each.payload.as_text() for each in self.driver.records()]

    def letters(self) -> list[DeadLetter]:
        return list(scan(self.driver.parts.store, now_ms() - 60_000, now_ms() + 1))

    def ask(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        return self.driver.ask("boss", method, path, body, expect)


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], Provider]]:
    started: list[Provider] = []

    def begin() -> Provider:
        started.append(Provider(settings))
        return started[-1]

    yield begin
    for each in started:
        each.driver.close()


@pytest.fixture
def provider(start: Callable[[], Provider]) -> Provider:
    return start()


def whatsapp(provider_id: str, text: Any, account: str = "100000000000001", sender: str = "5511999990000") -> dict[str, Any]:
    message = {"from": sender, "id": provider_id, "timestamp": "1700000000", "type": "text", "text": {"body": text}}
    value = {"metadata": {"phone_number_id": account}, "messages": [message]}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'{"x": ' + b"[" * 100_000])
def test_what_cannot_be_read_is_kept_as_it_came(provider: Provider, channel: str, body: bytes) -> None:
    """The provider hears 200 and forgets it; we keep every byte, and whoever is admin can look at it."""
    provider.posts(channel, body)
    [letter] = provider.letters()
    assert (letter.stage, letter.channel) == ("unreadable", channel)
    assert provider.driver.parts.store.kept_webhook(letter.letter_id) == (letter, body)
    provider.posts(channel, body)
    assert provider.letters() == [letter]


def test_one_bad_part_is_kept_and_costs_no_other(provider: Provider) -> None:
    """The good message arrives at once; the letter holds the whole webhook, and taking it again is once."""
    good, bad = whatsapp("wamid.good", "here"), whatsapp("wamid.bad", ["not", "text"])
    good["entry"] += bad["entry"]
    provider.posts("whatsapp", good)
    assert provider.texts() == ["here"]
    [letter] = provider.letters()
    shown = provider.ask("GET", f"/v1/dead-letters/{letter.letter_id}")
    assert json.loads(shown["body"]) == good
    assert (shown["stage"], shown["reason"]) == ("unreadable", "message")
    again = provider.ask("POST", f"/v1/dead-letters/{letter.letter_id}/replay", {})
    assert (again["messages"], again["unreadable"], again["unclaimed"]) == (1, ["message"], [])
    assert len({each.message_id for each in provider.driver.records()}) == 1


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "messenger"])
def test_an_update_for_another_account_waits_for_it(
    start: Callable[[], Provider], channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is signed by our app, so it is kept under its account; once that is ours, it arrives."""
    body, _ = payloads.webhook(channel, "another_account")
    provider = start()
    provider.posts(channel, body)
    [letter] = provider.letters()
    assert (letter.stage, letter.reason) == ("unclaimed", "unclaimed_account")
    assert provider.texts() == []
    path = f"/v1/dead-letters/{letter.letter_id}/replay"
    assert provider.ask("POST", path, {})["unclaimed"] == [letter.account]
    [listed] = provider.ask("GET", "/v1/dead-letters?stage=unclaimed")["dead_letters"]
    assert listed["account"] == letter.account
    monkeypatch.setenv("WHATSAPP_PHONE_NUMBER_ID" if channel == "whatsapp" else f"{channel.upper()}_ACCOUNT_ID", letter.account)
    later = start()
    dry = later.ask("POST", path, {"dry_run": True})
    assert (dry["messages"], dry["unclaimed"], later.texts()) == (1, [], [])
    assert later.ask("POST", path, {})["messages"] == 1
    later.ask("POST", path, {})
    [text] = {each.payload.as_text() for each in later.driver.records()}
    assert text.startswith("for another")
    assert len({each.message_id for each in later.driver.records()}) == 1


def test_only_admins_see_what_was_kept(provider: Provider) -> None:
    """People's words are in it: nobody else reads or replays it, and what is not there is said so."""
    provider.posts("whatsapp", b"{ their words")
    [letter] = provider.letters()
    path = f"/v1/dead-letters/{letter.letter_id}"
    provider.driver.service("crm", "send", "manage")
    assert provider.driver.refused("crm", "GET", path, expect=403)[0] == "scope_needed"
    assert provider.driver.refused("crm", "POST", f"{path}/replay", {}, expect=403)[0] == "scope_needed"
    assert provider.driver.refused("boss", "GET", "/v1/dead-letters/unknown", expect=404)[0] == "unknown_letter"
    assert provider.driver.refused("boss", "POST", "/v1/dead-letters/unknown/replay", {}, expect=404)[0] == "unknown_letter"
    assert "words" not in json.dumps(provider.ask("GET", "/v1/dead-letters"))


def test_a_part_that_cannot_be_accepted_is_set_aside(provider: Provider) -> None:
    """An error that nobody foresaw blames one message, not its webhook: 200, the others arrive, the webhook is kept."""
    log = provider.driver.log_faults

    def picky(records: Any, timeout_s: float) -> Any:
        if any(b'"bad"' in each.value for each in records):
            raise OverflowError("unforeseen")
        return log.real.append(records, timeout_s)

    both = whatsapp("wamid.1", "good")
    both["entry"] += whatsapp("wamid.2", "bad")["entry"]
    with log.instead("append", picky):
        provider.posts("whatsapp", both)
    assert provider.texts() == ["good"]
    [letter] = provider.letters()
    assert letter.reason == "not_accepted"
    assert provider.ask("POST", f"/v1/dead-letters/{letter.letter_id}/replay", {})["messages"] == 2
    assert sorted({each.payload.as_text() for each in provider.driver.records()}) == ["bad", "good"]


@pytest.mark.parametrize("at", [-(10**30), -1, 9223372036854775808, 1e30, "soon", None, [], True])
def test_no_time_is_too_absurd_to_arrive(provider: Provider, at: Any) -> None:
    """On every channel: the words count, and the time of arrival stands for what cannot be."""
    message = {"message_id": 5, "date": at, "chat": {"id": 123456, "type": "private"}, "from": {"id": 123456}, "text": "t"}
    provider.posts("telegram", {"update_id": 1, "message": message})
    event = {"sender": {"id": "6789012345"}, "timestamp": at, "message": {"mid": "m.1", "text": "i"}}
    for channel, account in (("instagram", "17841400000000001"), ("messenger", "100000000000002")):
        told = event | {"recipient": {"id": account}}
        provider.posts(channel, {"object": "page", "entry": [{"id": account, "time": 1, "messaging": [told]}]})
    webhook = whatsapp("wamid.1", "w")
    webhook["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = at
    provider.posts("whatsapp", webhook)
    assert sorted(provider.texts()) == ["i", "i", "t", "w"]
    assert provider.letters() == []
    for each in provider.driver.records():
        owned = provider.driver.parts.store.identities([each.sender])[each.sender]
        assert all(now_ms() - 60_000 < identity.last_wrote_at <= now_ms() for identity in owned)


def telegram(update_id: int, kind: str = "message", chat: int = 123456, name: str = "Caio", **message: Any) -> dict[str, Any]:
    shared = {"type": "supergroup", "title": "Bakers"} if chat < 0 else {"type": "private"}
    sender = {"id": 123456, "is_bot": False, "first_name": name}
    told = {"message_id": update_id, "date": 1700000000, "chat": {"id": chat, **shared}, "from": sender, **message}
    return {"update_id": update_id, kind: told}


def test_readers_see_who_of_a_group_wrote(provider: Provider) -> None:
    """The group is one contact, called as the group; each message says who speaks, here and outside."""
    for number, name in enumerate(("Ines", "Tomas"), 1):
        provider.posts("telegram", telegram(number, chat=-1005550001, text="hi", name=name))
    first, second = provider.driver.process()
    assert first.sender == second.sender
    assert provider.driver.parts.store.users([first.sender])[first.sender].display_name == "Bakers"
    history = provider.ask("GET", f"/v1/conversations/{first.conversation_id}/messages")["messages"]
    assert [each["sender_name"] for each in history] == ["Ines", "Tomas"]


def test_a_press_is_a_message_and_a_worker_answers_it(provider: Provider) -> None:
    """What the button says is kept as an answer, and a worker of the channel is told that the button waits."""
    press = {"id": "4711", "from": {"id": 123456, "is_bot": False, "first_name": "Caio"}, "chat_instance": "1", "data": "more"}
    provider.posts("telegram", {"update_id": 1, "callback_query": press})
    assert provider.texts() == ["more"]
    assert provider.wakes.signals == [
        Signal("telegram", PRESSED, "123456", "4711", provider.driver.parts.channels["telegram"].account.account_id)
    ]


def test_a_topic_is_a_contact_of_its_own_and_can_be_linked(provider: Provider) -> None:
    """What is asked in a topic is another conversation than the group's; its address may stand in a path."""
    driver = provider.driver
    topic: dict[str, Any] = {"message_thread_id": 45, "is_topic_message": True}
    provider.posts("telegram", telegram(1, chat=-1005550001, text="to all"))
    provider.posts("telegram", telegram(2, chat=-1005550001, text="flour?", **topic))
    first, second = driver.process()
    assert first.conversation_id != second.conversation_id
    driver.service("crm", "send", "manage")
    group = driver.group("crm", "telegram:-1005550001.45")
    driver.ask("crm", "PUT", f"/v1/conversations/{group}/links/telegram/-1005550001.45")
    provider.posts("telegram", telegram(3, chat=-1005550001, text="anybody?", **topic))
    [record] = [each for each in driver.records() if each.payload.as_text() == "anybody?"]
    assert record.conversation_id == group


def test_a_group_that_is_forwarded_says_who_of_it_speaks(provider: Provider) -> None:
    """A contact on another channel reads the speaker's name, not the group's."""
    driver = provider.driver
    provider.posts("telegram", telegram(1, chat=-1005550001, text="hello"))
    driver.service("crm", "send", "manage")
    group = driver.group("crm", "telegram:-1005550001", "whatsapp:+5511999990000")
    driver.ask("crm", "PUT", f"/v1/conversations/{group}/links/telegram/-1005550001")
    provider.posts("telegram", telegram(2, chat=-1005550001, text="I do", name="Tomas"))
    [record] = [each for each in driver.records() if each.payload.as_text() == "I do"]
    assert (record.sender_name, [each.channel for each in record.recipients]) == ("Tomas", ["whatsapp"])


@pytest.mark.parametrize(
    ("channel", "echo"),
    [
        ("whatsapp", "colleagues_echo"),
        ("messenger", "echo"),
        ("instagram", "echo"),
    ],
)
def test_what_a_colleague_typed_in_the_providers_app_is_shown(provider: Provider, channel: str, echo: str) -> None:
    """It stands in the person's conversation, from the account, and goes out to nobody again."""
    driver = provider.driver
    address = {"whatsapp": "5511999990000", "messenger": "6789012346", "instagram": "6789012345"}[channel]
    account = {"messenger": "100000000000002", "instagram": "17841400000000001"}.get(channel, "")
    if channel == "whatsapp":
        provider.posts(channel, whatsapp("wamid.1", "anybody there?"))
    else:
        event = {"sender": {"id": address}, "recipient": {"id": account}, "message": {"mid": "m.1", "text": "there?"}}
        provider.posts(channel, {"object": "page", "entry": [{"id": account, "messaging": [event]}]})
    [asked] = driver.process()
    wrote = driver.parts.store.identities([asked.sender])[asked.sender][0].last_wrote_at
    body, _ = payloads.webhook(channel, echo)
    for _ in range(2):
        provider.posts(channel, body)
    [told] = {each.message_id: each for each in driver.records() if each.sender == f"inbox-{channel}"}.values()
    assert told.conversation_id == asked.conversation_id
    assert (told.recipients, told.metadata) == ((), {"channel": channel, "app": "provider"})
    assert driver.parts.store.identities([asked.sender])[asked.sender][0].last_wrote_at == wrote


def instagram_echo(mid: str, text: str) -> dict[str, Any]:
    account = "17841400000000001"
    message = {"mid": mid, "is_echo": True, "text": text}
    event = {"sender": {"id": account}, "recipient": {"id": "6789012345"}, "timestamp": 1700000000123, "message": message}
    return {"object": "instagram", "entry": [{"id": account, "time": 1, "messaging": [event]}]}


def test_our_own_echo_is_no_news(provider: Provider) -> None:
    """What we sent ourselves comes back under the id that the provider gave it: it is known."""
    driver = provider.driver
    driver.service("crm", "send", "manage")
    driver.send("crm", "hello", to=["instagram:6789012345"])
    [ours] = driver.process()
    driver.deliver(ours, "m_ours")
    provider.posts("instagram", instagram_echo("m_ours", "hello"))
    assert driver.records() == [ours]
    assert driver.statuses() == []


def test_an_echo_that_overtakes_the_answer_tells_that_it_was_sent(provider: Provider) -> None:
    """The call is under way, or its answer was lost: the same words are ours, other words are a colleague's."""
    driver = provider.driver
    driver.service("crm", "send", "manage")
    driver.send("crm", "hello", to=["instagram:6789012345"])
    [ours] = driver.process()
    row = driver.rows(ours)[0]
    driver.parts.store.record({row.key: Facts(attempts=1, attempted_at=now_ms())})
    provider.posts("instagram", instagram_echo("m_1", "hello"))
    assert driver.records() == [ours]
    [told] = driver.statuses()
    assert isinstance(told, ProviderReceipt)
    assert (told.provider_id, told.kind, told.reference) == ("m_1", "sent", str(row.key))
    driver.send("crm", "hello", conversation_id=ours.conversation_id, sender=ours.sender)
    twin = driver.process()[-1]
    driver.parts.store.record({driver.rows(twin)[0].key: Facts(attempts=1, attempted_at=now_ms())})
    provider.posts("instagram", instagram_echo("m_3", "hello"))
    assert (len(driver.records()), len(driver.statuses())) == (2, 1)
    provider.posts("instagram", instagram_echo("m_2", "I am on it"))
    [colleague] = [each for each in driver.records() if each.sender == "inbox-instagram"]
    assert (colleague.payload.as_text(), colleague.conversation_id) == ("I am on it", ours.conversation_id)


@pytest.mark.parametrize("as_template", [False, True])
def test_an_echo_of_choices_is_ours(provider: Provider, as_template: bool) -> None:
    """The question comes back alone, or in a template with buttons: no colleague wrote it, and it says that it was sent."""
    driver = provider.driver
    driver.service("crm", "send", "manage")
    options = [{"id": "a", "title": "Tea"}, {"id": "b", "title": "Coffee"}]
    asked = {"type": "choices", "text": "Tea or\ncoffee?", "options": options}
    driver.ask("crm", "POST", "/v1/messages", {"payload": asked, "to": ["instagram:6789012345"]}, 202)
    [ours] = driver.process()
    row = driver.rows(ours)[0]
    driver.parts.store.record({row.key: Facts(attempts=1, attempted_at=now_ms())})
    echo = instagram_echo("m_1", "Tea or coffee?")
    if as_template:
        message = echo["entry"][0]["messaging"][0]["message"]
        buttons = [{"type": "postback", "title": each["title"], "payload": "p"} for each in options]
        template = {"template_type": "button", "text": message.pop("text"), "buttons": buttons}
        message["attachments"] = [{"type": "template", "payload": template}]
    provider.posts("instagram", echo)
    assert driver.records() == [ours]
    [told] = driver.statuses()
    assert isinstance(told, ProviderReceipt)
    assert (told.provider_id, told.reference) == ("m_1", str(row.key))


@pytest.mark.parametrize("known", [False, True])
def test_a_new_number_is_the_same_person(provider: Provider, known: bool) -> None:
    """Contact and conversation stay, answers go to the new number; also where words from it came before the news."""
    driver = provider.driver
    driver.service("crm", "send", "manage")
    provider.posts("whatsapp", whatsapp("wamid.1", "old number", sender="5511988880000"))
    if known:
        provider.posts("whatsapp", whatsapp("wamid.2", "already here", sender="5511977770000"))
    body, _ = payloads.webhook("whatsapp", "number_change")
    for _ in range(2):
        provider.posts("whatsapp", body)
    records = {each.payload.as_text(): each for each in driver.process()}
    first, later = records["old number"], records["here I am"]
    assert (later.conversation_id, later.sender) == (first.conversation_id, first.sender)
    answer = driver.send("crm", conversation_id=first.conversation_id, sender="inbox-whatsapp")
    [sent] = [each for each in driver.records() if each.message_id == answer["message_id"]]
    assert [each.address for each in sent.recipients] == ["+5511977770000"]
    assert driver.parts.store.forwards([("whatsapp", "+5511988880000")]) == {("whatsapp", "+5511988880000"): "+5511977770000"}
    tomorrow = now_ms() + 86_400_000
    driver.parts.people.clock = lambda: tomorrow
    words = whatsapp("wamid.9", "who are you?", sender="5511988880000")
    words["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = str(now_ms() // 1000 + 60)
    provider.posts("whatsapp", words)
    [stranger] = [each for each in driver.records() if each.payload.as_text() == "who are you?"]
    assert stranger.sender != first.sender


def test_a_number_that_somebody_proved_is_not_taken_from_them(provider: Provider) -> None:
    """The news names both numbers, but the new one is another person's by proof: it stays theirs."""
    driver = provider.driver
    driver.people("alice")
    driver.service("crm", "send", "manage")
    driver.ask("crm", "PUT", "/v1/users/alice/identities/whatsapp", {"address": "+5511977770000"})
    provider.posts("whatsapp", whatsapp("wamid.1", "old number", sender="5511988880000"))
    body, _ = payloads.webhook("whatsapp", "number_change")
    provider.posts("whatsapp", body)
    assert driver.parts.store.owners([("whatsapp", "+5511977770000")])["whatsapp", "+5511977770000"].user_id == "alice"


@pytest.mark.parametrize("news", ["supergroup", "supergroup_from"])
def test_a_group_that_becomes_a_supergroup_stays_one_conversation(provider: Provider, news: str) -> None:
    """Before and after are in one conversation, whichever of the two services messages comes."""
    provider.posts("telegram", telegram(1, chat=-5550001, text="before"))
    body, _ = payloads.webhook("telegram", news)
    provider.posts("telegram", body)
    provider.posts("telegram", telegram(3, chat=-1005550009, text="after"))
    before, after = provider.driver.records()
    assert (after.conversation_id, after.sender) == (before.conversation_id, before.sender)


@pytest.mark.parametrize("channel", ["whatsapp", "telegram"])
def test_words_that_the_news_overtook_are_still_theirs(provider: Provider, channel: str) -> None:
    """Written from the old address before it was left, and brought after the news: the same person and conversation."""
    old = "5511988880000" if channel == "whatsapp" else "-5550001"

    def writes(number: int) -> None:
        if channel == "whatsapp":
            provider.posts(channel, whatsapp(f"wamid.{number}", f"{number}", sender=old))
        else:
            provider.posts(channel, telegram(number, chat=int(old), text=f"{number}"))

    writes(1)
    body, _ = payloads.webhook(channel, "number_change" if channel == "whatsapp" else "supergroup")
    provider.posts(channel, body)
    tomorrow = now_ms() + 86_400_000
    provider.driver.parts.people.clock = lambda: tomorrow
    writes(2)
    records = {each.payload.as_text(): each for each in provider.driver.records()}
    assert (records["2"].conversation_id, records["2"].sender) == (records["1"].conversation_id, records["1"].sender)


def edited(update_id: int, text: str, at: int = 1700000100) -> dict[str, Any]:
    return telegram(update_id, "edited_message", message_id=9, text=text, edit_date=at)


def test_every_edit_arrives_and_none_that_changes_nothing(provider: Provider) -> None:
    """Two within a second are two; words that stayed as they were are no news; going back to old words is."""
    at = now_ms()

    def later(seconds: int) -> None:
        provider.driver.parts.people.clock = lambda: at + seconds * 1000

    provider.posts("telegram", telegram(1, message_id=9, text="a"))
    provider.driver.process()
    provider.posts("telegram", edited(2, "b"))
    provider.posts("telegram", edited(3, "c"))
    [first, *edits] = provider.driver.process()
    assert [each.payload for each in edits] == [Edit(Text(words), first.message_id) for words in "bc"]
    later(60)
    provider.posts("telegram", edited(4, "c"))
    provider.driver.process()
    assert len(provider.texts()) == 3
    later(120)
    provider.posts("telegram", edited(5, "a"))
    provider.posts("telegram", edited(5, "a"))
    provider.posts("telegram", edited(6, "b"))
    last = {each.message_id: each.payload.as_text() for each in provider.driver.process()}
    assert list(last.values())[3:] == ["✎ a", "✎ b"]


def test_an_edit_that_comes_before_its_message_waits_for_it(provider: Provider) -> None:
    """Webhooks overtake each other: both arrive, in one conversation, the message first."""
    provider.posts("telegram", edited(2, "mended"))
    assert provider.driver.records() == []
    provider.posts("telegram", telegram(1, message_id=9, text="as it was"))
    provider.driver.process()
    provider.driver.look_again(after_ms=1000)
    first, edit = provider.driver.records()
    assert edit.payload == Edit(Text("mended"), first.message_id)
    assert edit.conversation_id == first.conversation_id


def test_each_of_several_files_arrives(provider: Provider) -> None:
    """Three pictures in one message are three files that can be fetched, also where two are alike."""
    for channel in ("instagram", "messenger"):
        body, _ = payloads.webhook(channel, "several_files")
        provider.posts(channel, body)
    media = []
    for record in provider.driver.records():
        file_id = getattr(record.payload, "file_id", "")
        media += [each.media for each in provider.driver.parts.store.files([file_id] if file_id else []).values()]
    assert sorted(media) == sorted([f"https://cdn.example/{n}.jpg" for n in range(3)] * 2 + ["https://cdn.example/same"] * 4)


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_spoilt_webhook_troubles_the_gateway(provider: Provider, channel: str) -> None:
    """A sample of everything that mutations make: always 200, and what was read is accepted too, not set aside."""
    spoilt = [body for which, name in mutations.documents() if which == channel for body in mutations.all_spoilt(which, name)]
    for body in random.Random(channel).sample(spoilt, 120):
        provider.posts(channel, body)
    assert [each for each in provider.letters() if each.reason in {"not_accepted", "reader_failed"}] == []


def test_what_was_said_before_a_number_was_connected_is_kept_and_goes_out_to_nobody(provider: Provider) -> None:
    """Both sides' words are in one conversation, once; no window opens, and the file takes the place of nothing."""
    driver = provider.driver
    body, _ = payloads.webhook("whatsapp", "history")
    for _ in range(2):
        provider.posts("whatsapp", body)
    driver.process()
    said = {each.message_id: each for each in driver.records() if each.origin and each.origin.address == "+5511999990000"}
    assert [each.payload.as_text() for each in said.values()][:3] == ["When do you open?", "At nine, as always", "👍"]
    assert len({each.conversation_id for each in said.values()}) == 1
    assert [each.sender == "inbox-whatsapp" for each in said.values()] == [False, True, False, False, False]
    assert {each.metadata.get("history") for each in said.values()} == {True}
    assert {each.recipients for each in said.values()} == {()}
    [person] = {each.sender for each in said.values()} - {"inbox-whatsapp"}
    assert driver.parts.store.identities([person])[person][0].last_wrote_at == 0
    assert provider.letters() == []
