"""Founding conversations, and who comes and goes."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from chat4all.model.ids import contact_conversation_id, contact_id, private_conversation_id
from chat4all.model.records import EVENTS, Range
from chat4all.v1 import chat_pb2
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage")}
CARLA = "+5511999990000"


def events(driver: Driver) -> list[tuple[str, str, int]]:
    """(kind header, conversation, members_version) of what was told to connected readers."""
    found = []
    for partition, (first, end) in driver.parts.log.ends(EVENTS).items():
        if end > first:
            for record in driver.parts.log.read(EVENTS, [Range(partition, first, end - 1)], 5):
                event = chat_pb2.Event.FromString(record.value).conversation
                found.append((record.headers["kind"], event.conversation_id, event.members_version))
    return found


def test_a_group_is_founded_once(gateway: Driver) -> None:
    """201 with what was founded; the same id again is the same conversation, whatever else is asked for."""
    key = str(uuid4())
    body = {"conversation_id": key, "type": "group", "members": ["bob"], "metadata": {"topic": "x"}}
    told = gateway.ask("alice", "POST", "/v1/conversations", body, 201)
    assert [each["user_id"] for each in told["members"]] == ["alice", "bob"]
    assert (told["owner"], told["members_version"], told["metadata"]) == ("alice", 1, {"topic": "x"})
    assert gateway.ask("bob", "POST", "/v1/conversations", body | {"members": ["alice"]}, 200) == told
    assert gateway.refused("eve", "POST", "/v1/conversations", body, 409)[0] == "conversation_id_taken"
    assert events(gateway) == [("conversation", key, 1)]


def test_a_private_pair_is_founded_once(gateway: Driver) -> None:
    """201, then 200 for either of them; naming oneself is not needed and does no harm."""
    told = gateway.ask("alice", "POST", "/v1/conversations", {"type": "private", "members": ["bob"]}, 201)
    assert gateway.ask("bob", "POST", "/v1/conversations", {"type": "private", "members": ["alice", "bob"]}, 200) == told


def test_a_service_client_founds_for_others(gateway: Driver) -> None:
    """Two others, or itself and one; addresses become contacts; it joins no group that it does not name itself in."""
    pair = gateway.ask("crm", "POST", "/v1/conversations", {"type": "private", "members": ["alice", f"whatsapp:{CARLA}"]}, 201)
    assert [each["user_id"] for each in pair["members"]] == ["alice", contact_id("whatsapp", CARLA)]
    assert pair["conversation_id"] == private_conversation_id("alice", contact_id("whatsapp", CARLA))
    own = gateway.ask("crm", "POST", "/v1/conversations", {"type": "private", "members": ["alice"]}, 201)
    assert {each["user_id"] for each in own["members"]} == {"crm", "alice"}
    group = gateway.group("crm", "alice", "bob")
    assert len(gateway.ask("crm", "GET", f"/v1/conversations/{group}")["members"]) == 2


WRONG = {
    "two others": ({"type": "private", "members": ["bob", "eve"]}, 422, "invalid", "members"),
    "oneself": ({"type": "private", "members": ["alice"]}, 422, "invalid", "members"),
    "nobody": ({"type": "private", "members": []}, 422, "invalid", "members"),
    "somebody twice": ({"type": "group", "members": ["bob", "bob"]}, 422, "duplicate_member", "members"),
    "an unknown user": ({"type": "group", "members": ["nobody"]}, 422, "unknown_user", "members"),
    "an address": ({"type": "group", "members": [f"whatsapp:{CARLA}"]}, 403, "scope_needed", "members"),
    "a malformed id": ({"type": "group", "members": ["bob"], "conversation_id": "x"}, 422, "malformed_uuid", "conversation_id"),
    "an id for a pair": (
        {"type": "private", "members": ["bob"], "conversation_id": str(uuid4())},
        422, "reserved_conversation_id", "conversation_id",
    ),
    "an unknown type": ({"type": "channel", "members": ["bob"]}, 422, "invalid", "type"),
    "large metadata": (
        {"type": "group", "members": ["bob"], "metadata": {"a": "x" * 20_000}}, 422, "metadata_too_large", "metadata",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_founded_is_refused(untouched: Driver, case: str) -> None:
    """Each with its code and field."""
    body, status, code, field = WRONG[case]
    assert untouched.refused("alice", "POST", "/v1/conversations", body, status) == (code, field)


@pytest.mark.parametrize(
    "derived",
    [private_conversation_id("alice", "bob"), contact_conversation_id("whatsapp", "whatsapp-account", CARLA)],
)
def test_nobody_founds_a_conversation_that_others_will_have(gateway: Driver, derived: str) -> None:
    """Ids that follow from members cannot be chosen: else a stranger could lie in wait for a pair or a contact."""
    assert UUID(derived).version == 5
    body = {"type": "group", "members": ["eve"], "conversation_id": derived}
    for who in ("eve", "crm"):
        body["members"] = [] if who == "eve" else ["eve"]
        assert gateway.refused(who, "POST", "/v1/conversations", body) == ("reserved_conversation_id", "conversation_id")


def test_the_same_person_by_name_and_by_address_is_named_twice(gateway: Driver) -> None:
    """Two ways of naming one member."""
    gateway.ask("crm", "PUT", "/v1/users/alice/identities/whatsapp", {"address": CARLA})
    body = {"type": "group", "members": ["alice", f"whatsapp:{CARLA}"]}
    assert gateway.refused("crm", "POST", "/v1/conversations", body) == ("duplicate_member", "members")
    assert gateway.refused("crm", "POST", "/v1/conversations", {**body, "members": ["whatsapp:1"]}) == (
        "bad_address",
        "members",
    )


def test_a_group_has_a_size(start: Callable[..., Driver]) -> None:
    """Founding and joining stop at the limit."""
    driver = start(members_limit=2)
    driver.people("alice", "bob", "eve")
    assert driver.refused("alice", "POST", "/v1/conversations", {"type": "group", "members": ["bob", "eve"]}) == (
        "invalid",
        "members",
    )
    group = driver.group("alice", "bob")
    assert driver.refused("alice", "POST", f"/v1/conversations/{group}/members", {"members": ["eve"]}) == ("invalid", "members")


def test_only_ones_own_conversations_are_seen(gateway: Driver) -> None:
    """Foreign ones are unknown ones; a service client sees all."""
    talk = gateway.private("alice", "bob")
    assert gateway.refused("eve", "GET", f"/v1/conversations/{talk}", expect=404)[0] == "unknown_conversation"
    assert gateway.refused("eve", "GET", f"/v1/conversations/{talk}/messages", expect=404)[0] == "unknown_conversation"
    assert gateway.refused("eve", "GET", "/v1/conversations/x") == ("malformed_uuid", "conversation_id")
    assert gateway.ask("crm", "GET", f"/v1/conversations/{talk}")["conversation_id"] == talk
    assert gateway.ask("eve", "GET", "/v1/conversations") == {"conversations": []}


def test_ones_conversations_come_in_pages(gateway: Driver) -> None:
    """By id, each once."""
    made = {gateway.group("alice", "bob") for _ in range(5)}
    first = gateway.ask("bob", "GET", "/v1/conversations?limit=3")
    rest = gateway.ask("bob", "GET", f"/v1/conversations?limit=3&after={first['next']}")
    assert "next" not in rest
    assert [len(each["conversations"]) for each in (first, rest)] == [3, 2]
    assert {each["conversation_id"] for page in (first, rest) for each in page["conversations"]} == made


def test_members_join_leave_and_are_removed(gateway: Driver) -> None:
    """Any member adds, everybody leaves, the owner removes; each change is a version and is told."""
    group = gateway.group("alice", "bob")
    path = f"/v1/conversations/{group}/members"
    told = gateway.ask("bob", "POST", path, {"members": ["eve"]})
    assert ([each["user_id"] for each in told["members"]], told["members_version"]) == (["alice", "bob", "eve"], 2)
    assert gateway.refused("bob", "DELETE", f"{path}/eve", expect=403)[0] == "scope_needed"
    gateway.ask("bob", "DELETE", f"{path}/bob", expect=204)
    gateway.ask("alice", "DELETE", f"{path}/eve", expect=204)
    gateway.ask("crm", "POST", path, {"members": ["bob"]})
    assert [version for _, _, version in events(gateway)] == [1, 2, 3, 4, 5]
    assert gateway.refused("eve", "POST", path, {"members": ["eve"]}, 403)[0] == "scope_needed"
    assert gateway.send("eve", conversation_id=group, expect=403)["code"] == "not_a_member"


def test_members_that_make_no_sense_are_refused(gateway: Driver) -> None:
    """Twice in a list, a member already, unknown, gone already, a foreign group, a private conversation."""
    group, talk = gateway.group("alice", "bob"), gateway.private("alice", "bob")
    path = f"/v1/conversations/{group}/members"
    cases = [
        ("alice", path, ["eve", "eve"], 422, "duplicate_member"),
        ("alice", path, ["eve", "bob"], 409, "already_a_member"),
        ("alice", path, ["nobody"], 422, "unknown_user"),
        ("alice", path, [], 422, "invalid"),
        ("alice", path, [f"whatsapp:{CARLA}"], 403, "scope_needed"),
        ("eve", path, ["eve"], 404, "unknown_conversation"),
        ("alice", f"/v1/conversations/{talk}/members", ["eve"], 409, "private_conversation"),
    ]
    for who, where, members, status, code in cases:
        assert gateway.refused(who, "POST", where, {"members": members}, status)[0] == code
    assert gateway.refused("alice", "DELETE", f"{path}/eve", expect=404)[0] == "unknown_member"
    assert (
        gateway.refused("alice", "DELETE", f"/v1/conversations/{talk}/members/alice", expect=409)[0] == "private_conversation"
    )
    assert gateway.ask("alice", "GET", f"/v1/conversations/{group}")["members_version"] == 1


def listed(gateway: Driver, who: str, query: str) -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    after = ""
    while True:
        page = gateway.ask(who, "GET", f"/v1/conversations?{query}{after}")
        found += [each["conversation_id"] for each in page["conversations"]]
        if "next" not in page:
            return found
        after = f"&after={page['next']}"


def test_conversations_are_listed_latest_first(gateway: Driver) -> None:
    """By what was said last, over pages of any size; one where nothing was said by when it was founded."""
    groups = [gateway.group("alice", "bob") for _ in range(7)]
    for place in (3, 1, 5, 3):
        gateway.send("alice", conversation_id=groups[place])
        gateway.process()
    expected = [groups[place] for place in (3, 5, 1)]
    for limit in (1, 2, 3, 50):
        found = listed(gateway, "bob", f"order=activity&limit={limit}")
        assert found[:3] == expected
        assert sorted(found) == sorted(groups)
    page = gateway.ask("bob", "GET", "/v1/conversations?order=activity&limit=1")["conversations"]
    assert page[0]["last_activity_at"]
    assert listed(gateway, "eve", "order=activity") == []
    assert gateway.refused("bob", "GET", "/v1/conversations?order=activity&after=nonsense", None, 422) == ("invalid", "after")


def test_a_manager_lists_every_conversation(gateway: Driver) -> None:
    """Those of strangers too, in both orders; a person lists their own."""
    groups = sorted(gateway.group("alice", "bob") for _ in range(3))
    assert set(groups) <= set(listed(gateway, "crm", "limit=2"))
    assert set(groups) <= set(listed(gateway, "crm", "limit=2&order=activity"))
    assert not set(groups) & set(listed(gateway, "eve", "limit=2"))
