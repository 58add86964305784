"""Contacts over REST: listed, looked up and changed by those who answer, and by nobody else."""

from collections.abc import Callable

import pytest

from chat4all.model.clock import now_ms
from chat4all.model.event_types import event_type
from chat4all.model.events import decode, kind_of
from chat4all.model.failures import Temporary
from chat4all.model.records import EVENTS, Range
from tests.webapp.channels import AT
from tests.webapp.driver import Driver

CARLA = "+5511999990000"
DORA = "+5511999990001"


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start()
    driver.people("alice")
    driver.service("crm", "send", "manage")
    driver.service("bot", "send")
    return driver


def writes(gateway: Driver, address: str, name: str, number: str = "1") -> str:
    """Somebody writes to us on WhatsApp; their contact's id."""
    gateway.writes("whatsapp", address, "hi", f"wamid.{address}{number}", sender_name=name)
    found = gateway.ask("crm", "GET", "/v1/contacts")["contacts"]
    [mine] = [each for each in found if any(place["address"] == address for place in each["addresses"])]
    contact_id: str = mine["contact_id"]
    return contact_id


def test_whoever_writes_is_in_the_directory(gateway: Driver) -> None:
    """With name and address and when they last wrote, page by page; people with a login are not."""
    ids = {writes(gateway, CARLA, "Carla"), writes(gateway, DORA, "Dora")}
    first = gateway.ask("crm", "GET", "/v1/contacts?limit=1")
    second = gateway.ask("crm", "GET", f"/v1/contacts?limit=1&after={first['next']}")
    assert {each["contact_id"] for page in (first, second) for each in page["contacts"]} == ids
    assert not gateway.ask("crm", "GET", f"/v1/contacts?after={second['contacts'][0]['contact_id']}")["contacts"]
    shown = gateway.ask("crm", "GET", f"/v1/contacts/{writes(gateway, CARLA, 'Carla', '2')}")
    [address] = shown["addresses"]
    assert (shown["display_name"], shown["tags"], shown["attributes"], shown["version"]) == ("Carla", [], {}, 0)
    assert (address["channel"], address["address"], address["verified"]) == ("whatsapp", CARLA, True)
    assert address["last_wrote_at"]


def test_what_is_changed_is_kept(gateway: Driver) -> None:
    """What is left out stays, tags find it, and saying the same again changes nothing."""
    carla, dora = writes(gateway, CARLA, "Carla"), writes(gateway, DORA, "Dora")
    change = {"tags": ["vip", "lead", "vip"], "notes": "likes tea", "attributes": {"plan": "pro", "age": 7, "paid": True}}
    shown = gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", change | {"time_zone": "America/Sao_Paulo"})
    assert shown.items() >= (change | {"tags": ["lead", "vip"], "time_zone": "America/Sao_Paulo", "version": 1}).items()
    assert gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", change)["version"] == 1
    gateway.ask("crm", "PATCH", f"/v1/contacts/{dora}", {"tags": ["lead"]})
    later = gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", {"tags": ["lead"], "notes": "", "version": 1})
    assert (later["tags"], later.get("notes", ""), later["attributes"]) == (["lead"], "", change["attributes"])
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}") == later
    for tag, wanted in (("lead", {carla, dora}), ("vip", set())):
        assert {each["contact_id"] for each in gateway.ask("crm", "GET", f"/v1/contacts?tag={tag}")["contacts"]} == wanted
    assert (
        gateway.refused("crm", "PATCH", f"/v1/contacts/{carla}", {"notes": "late", "version": 1}, 409)[0] == "contact_changed"
    )


def test_the_teams_name_stays(gateway: Driver) -> None:
    """Whatever they call themselves; without one they are called as they call themselves in their next message."""
    carla = writes(gateway, CARLA, "carla 🌸")
    named = gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", {"display_name": "Carla Souza"})
    assert named["display_name"] == "Carla Souza"
    writes(gateway, CARLA, "Queen of tea", "2")
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["display_name"] == "Carla Souza"
    gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", {"display_name": ""})
    writes(gateway, CARLA, "Queen of tea", "3")
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["display_name"] == "Queen of tea"


def test_who_is_brought_in_is_found_by_the_address(gateway: Driver) -> None:
    """Made once, changed after that, and theirs when they write; an address of somebody who logs in is refused."""
    body = {"address": "whatsapp:+5511999990000", "display_name": "Carla", "tags": ["lead"]}
    made = gateway.ask("crm", "POST", "/v1/contacts", body, 201)
    again = gateway.ask("crm", "POST", "/v1/contacts", {"address": f"whatsapp:{CARLA}", "notes": "tea"})
    assert again == made | {"notes": "tea", "version": 2} | {name: again[name] for name in ("changed_at", "changed_by")}
    assert writes(gateway, CARLA, "Queen of tea") == made["contact_id"]
    found = gateway.ask("crm", "GET", "/v1/contacts?address=whatsapp:%2B5511999990000")["contacts"]
    assert [(each["contact_id"], each["display_name"]) for each in found] == [(made["contact_id"], "Carla")]
    assert not gateway.ask("crm", "GET", "/v1/contacts?address=whatsapp:%2B5511999990009")["contacts"]
    gateway.ask("crm", "PUT", "/v1/users/alice/identities/whatsapp", {"address": DORA})
    refused = gateway.refused("crm", "POST", "/v1/contacts", {"address": f"whatsapp:{DORA}"}, 409)
    assert refused == ("address_taken", "")
    wrong_tag = {"address": "whatsapp:+5511999990009", "tags": ["two words"]}
    assert gateway.refused("crm", "POST", "/v1/contacts", wrong_tag)[1] == "tags"
    assert not gateway.ask("crm", "GET", "/v1/contacts?address=whatsapp:%2B5511999990009")["contacts"]
    for wrong in ("whatsapp:x", "pigeon:1", ""):
        assert gateway.refused("crm", "POST", "/v1/contacts", {"address": wrong})[1] == "address"


def test_the_team_says_what_they_want(gateway: Driver) -> None:
    """On one channel, with who said it; saying it again changes nothing, and their next word counts more."""
    carla = writes(gateway, CARLA, "Carla")
    path = f"/v1/contacts/{carla}/consents/whatsapp"
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["consents"] == {}
    shown = gateway.ask("crm", "PUT", path, {"state": "revoked"})
    [consent] = shown["consents"].values()
    assert (consent["state"], consent["source"], consent["by"], shown["opted_out"]) == ("revoked", "team", "crm", ["whatsapp"])
    assert gateway.ask("crm", "PUT", path, {"state": "revoked"}) == shown
    gateway.writes("whatsapp", CARLA, "START", "wamid.start", at=now_ms() + 1)
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["consents"]["whatsapp"]["source"] == "word"
    assert gateway.refused("crm", "PUT", path, {"state": "maybe"})[1] == "state"
    assert gateway.refused("crm", "PUT", f"/v1/contacts/{carla}/consents/pigeon", {"state": "granted"})[1] == "channel"
    assert (
        gateway.refused("crm", "PUT", "/v1/contacts/nobody/consents/whatsapp", {"state": "granted"}, 404)[0]
        == "unknown_contact"
    )
    assert gateway.call("alice", "PUT", path, {"state": "granted"}).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tags": ["two words"]}, "tags"),
        ({"tags": [f"t{n}" for n in range(51)]}, "tags"),
        ({"attributes": {"1st": "x"}}, "attributes"),
        ({"attributes": {"a": {"b": 1}}}, "attributes.a.str"),
        ({"attributes": {"a": "x" * 1001}}, "attributes"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"display_name": "a\nb"}, "display_name"),
        ({"display_name": " a"}, "display_name"),
        ({"display_name": "https://x.example"}, "display_name"),
        ({"notes": "x" * 4001}, "notes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_named(gateway: Driver, change: dict[str, object], field: str) -> None:
    """422 with the field; nothing is changed."""
    carla = writes(gateway, CARLA, "Carla")
    assert gateway.refused("crm", "PATCH", f"/v1/contacts/{carla}", change)[1] == field
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["version"] == 0


def test_others_see_no_contacts(gateway: Driver) -> None:
    """Not people, nor clients without the scope; who is no contact is not found as one."""
    carla = writes(gateway, CARLA, "Carla")
    for who in ("alice", "bot"):
        for method, path in (("GET", "/v1/contacts"), ("GET", f"/v1/contacts/{carla}"), ("PATCH", f"/v1/contacts/{carla}")):
            assert gateway.call(who, method, path, {} if method == "PATCH" else None).status_code == 403
    for name in ("alice", "crm", "nobody"):
        assert gateway.refused("crm", "GET", f"/v1/contacts/{name}", expect=404)[0] == "unknown_contact"


def told(gateway: Driver) -> list[tuple[str, str, int]]:
    """What chat-events tells of contacts: (type, contact, version), in order."""
    log, records = gateway.parts.log, []
    for partition, (first, end) in log.ends(EVENTS).items():
        records += log.read(EVENTS, [Range(partition, first, end - 1)], 5) if end > first else []
    events = [decode(each) for each in sorted(records, key=lambda each: each.at) if kind_of(each) == "contact"]
    return [(event_type(each), each.subject, each.rank) for each in events]


def test_readers_hear_of_contacts(gateway: Driver) -> None:
    """Once that somebody is new, then of each change, and of nothing where nothing changed."""
    carla = writes(gateway, CARLA, "Carla")
    writes(gateway, CARLA, "Carla", "2")
    for _ in range(2):
        gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", {"tags": ["vip"]})
        gateway.ask("crm", "PUT", f"/v1/contacts/{carla}/consents/whatsapp", {"state": "granted"})
        gateway.ask("crm", "PATCH", f"/v1/contacts/{carla}", {"display_name": "Carla S"})
    gateway.writes("whatsapp", CARLA, "STOP", "wamid.stop", at=now_ms() + 99)
    wanted = ["created", "updated", "consent_changed", "updated", "consent_changed"]
    assert told(gateway) == [(f"contact.{what}", carla, version) for version, what in enumerate(wanted)]
    dora = gateway.ask("crm", "POST", "/v1/contacts", {"address": f"whatsapp:{DORA}", "tags": ["vip"]}, 201)["contact_id"]
    assert told(gateway)[5:] == [("contact.created", dora, 0), ("contact.updated", dora, 1)]
    gateway.send("crm", to=["whatsapp:+5511999990002"])
    assert [what for what, *_ in told(gateway)[7:]] == ["contact.created"]


def test_what_could_not_be_told_is_told_when_it_is_said_again(gateway: Driver) -> None:
    """The request is refused; the same one again changes nothing, and readers hear of what the first one did."""
    carla = writes(gateway, CARLA, "Carla")
    path, change = f"/v1/contacts/{carla}", {"tags": ["vip"]}
    gateway.log_faults.fail("append", Temporary("log"))
    assert gateway.call("crm", "PATCH", path, change).status_code == 503
    gateway.log_faults.mend()
    assert gateway.ask("crm", "PATCH", path, change)["version"] == 1
    assert told(gateway)[1:] == [("contact.updated", carla, 1)]


def test_whom_the_team_blocks_is_neither_heard_nor_written_to(gateway: Driver) -> None:
    """Nothing of what they write is kept, but for their STOP; it goes to the others of a group; unblocked all is as before."""
    carla = writes(gateway, CARLA, "Carla")
    gateway.people("bob")
    group = gateway.group("crm", "alice", "bob", carla)
    shown = gateway.ask("crm", "PUT", f"/v1/contacts/{carla}/block")
    assert (shown["blocked"], shown["blocked_by"], shown["version"]) == (True, "crm", 1)
    assert gateway.ask("crm", "PUT", f"/v1/contacts/{carla}/block") == shown
    before = len(gateway.records())
    for number, text in enumerate(("hello?", "STOP")):
        said = {"type": "inbound", "address": CARLA, "text": text, "provider_id": f"wamid.b{number}"}
        assert gateway.webhook("whatsapp", said).status_code == 200
    assert len(gateway.records()) == before
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["opted_out"] == ["whatsapp"]
    assert gateway.refused("crm", "POST", "/v1/messages", text_to(f"whatsapp:{CARLA}")) == ("blocked", "to")
    gateway.send("alice", conversation_id=group)
    [recipient] = gateway.records()[-1].recipients
    assert (recipient.address, recipient.unreached) == ("", "blocked")
    shown = gateway.ask("crm", "DELETE", f"/v1/contacts/{carla}/block")
    assert (shown["blocked"], "blocked_by" in shown, shown["version"]) == (False, False, 3)
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    assert gateway.records()[-1].recipients[0].address == CARLA
    wanted = ["contact.created", "contact.updated", "contact.consent_changed", "contact.updated"]
    assert [what for what, *_ in told(gateway)] == wanted


@pytest.mark.parametrize("why", ["blocked", "gone"])
def test_who_cannot_be_reached_is_said_at_once_until_they_write(gateway: Driver, why: str) -> None:
    """Another address of theirs is taken first; what a provider said earlier does not count after what they wrote."""
    carla = writes(gateway, CARLA, "Carla")
    lost = {"type": "reached", "address": CARLA, "why": why, "at": AT + 5}
    assert gateway.webhook("whatsapp", lost).status_code == 200
    gateway.parts.people.standing.look_again()
    [address] = gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["addresses"]
    assert address["reachable"] == why
    assert gateway.refused("crm", "POST", "/v1/messages", text_to(f"whatsapp:{CARLA}")) == (why, "to")
    gateway.ask("crm", "PUT", f"/v1/users/{carla}/identities/instagram", {"address": "77777777"})
    gateway.send("crm", to=[carla])
    assert gateway.records()[-1].recipients[0].channel == "instagram"
    gateway.writes("whatsapp", CARLA, "it is me", "wamid.again", at=AT + 6)
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    assert gateway.records()[-1].recipients[0].address == CARLA
    assert gateway.webhook("whatsapp", lost).status_code == 200
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["addresses"][-1]["reachable"] == "yes"
    assert gateway.webhook("whatsapp", lost | {"at": AT + 7}, lost | {"why": "", "at": AT + 8}).status_code == 200
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["addresses"][-1]["reachable"] == "yes"


def text_to(place: str) -> dict[str, object]:
    """A message."""
    return {"to": [place], "payload": {"type": "text", "text": "hello"}}


def test_what_people_choose_at_their_provider_is_their_consent(gateway: Driver) -> None:
    """The same fact as their words: what was said last counts; of a stranger nothing is kept."""
    carla = writes(gateway, CARLA, "Carla")
    said = {"type": "consented", "address": CARLA, "state": "revoked", "at": AT + 5}
    assert gateway.webhook("whatsapp", said, said | {"address": "+5511999990007"}).status_code == 200
    [consent] = gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["consents"].values()
    assert (consent["state"], consent["source"]) == ("revoked", "setting")
    gateway.writes("whatsapp", CARLA, "START", "wamid.early", at=AT + 4)
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["opted_out"] == ["whatsapp"]
    assert gateway.webhook("whatsapp", said | {"state": "granted", "at": AT + 6}).status_code == 200
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["opted_out"] == []


def test_a_table_comes_in_and_goes_out_as_it_was(gateway: Driver) -> None:
    """Twice is as once; a wrong row is named with its line and its field; what looks like a formula stays a text."""
    head = "address,display_name,tags,notes,attribute.plan\n"
    good = f'whatsapp:{CARLA},Carla,vip lead,"=1+1\nsecond line",pro\nwhatsapp:{DORA},,,,\n'
    bad = 'pigeon:1,x,,,\nwhatsapp:+5511999990002,Ema,a,b,\nwhatsapp:+5511999990003,Eva,"one, two",,\n'
    for _ in range(2):
        answer = gateway.ask("crm", "POST", "/v1/contacts/import", {"csv": head + good + bad})
        assert answer["contacts"] == 3
        assert [(each["line"], each["field"]) for each in answer["errors"]] == [(5, "address"), (7, "tags")]
    [carla] = gateway.ask("crm", "GET", f"/v1/contacts?address=whatsapp:%2B{CARLA[1:]}")["contacts"]
    assert (carla["tags"], carla["notes"], carla["attributes"]) == (["lead", "vip"], "=1+1\nsecond line", {"plan": "pro"})
    table = gateway.ask("crm", "GET", "/v1/contacts/export?tag=vip")["csv"]
    assert table == (
        "address,display_name,tags,notes,time_zone,attributes\n"
        f'whatsapp:{CARLA},Carla,lead vip,"\'=1+1\nsecond line",,"{{""plan"": ""pro""}}"\n'
    )
    assert gateway.ask("crm", "POST", "/v1/contacts/import", {"csv": table}) == {"contacts": 1, "errors": []}
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla['contact_id']}") == carla
    first = gateway.ask("crm", "GET", "/v1/contacts/export?limit=1")
    rest = gateway.ask("crm", "GET", f"/v1/contacts/export?after={first['next']}")
    assert sorted((first["csv"] + rest["csv"]).splitlines()[0:1]) == [table.splitlines()[0]]


@pytest.mark.parametrize("wrong", ["", "name\nx\n", "address,address\n", "address\n" + "x\n" * 501, 'address\n"x'])
def test_what_is_no_table_is_said(gateway: Driver, wrong: str) -> None:
    """422 with what it lacks."""
    assert gateway.refused("crm", "POST", "/v1/contacts/import", {"csv": wrong}) == ("bad_table", "csv")
