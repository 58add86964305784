"""Rights are those of who is a member now; quotas; and who may bring whom into what."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

from tests.webapp.driver import Driver

PEOPLE = ("olga", "alice", "bob", "carl")
CLIENTS = {"crm": ("manage", "send")}
CARLA = "+5511999990000"


def leave(driver: Driver, talk: str, who: str) -> None:
    driver.ask(who, "DELETE", f"/v1/conversations/{talk}/members/{who}", expect=204)


def test_an_owner_who_left_may_do_nothing(gateway: Driver) -> None:
    """Neither remove others, nor bring anybody in, nor link, nor write, nor say that they read."""
    talk = gateway.group("olga", "alice", "bob")
    gateway.ask("crm", "PUT", "/v1/users/olga/identities/whatsapp", {"address": CARLA})
    gateway.send("olga", conversation_id=talk)
    gateway.process()
    leave(gateway, talk, "olga")
    place = f"/v1/conversations/{talk}"
    for method, path, body in (
        ("DELETE", "/members/alice", None),
        ("DELETE", "/members/olga", None),
        ("POST", "/members", {"members": ["carl"]}),
        ("POST", "/members", {"members": ["olga"]}),
        ("PUT", f"/links/whatsapp/{CARLA}", None),
        ("DELETE", f"/links/whatsapp/{CARLA}", None),
    ):
        assert gateway.refused("olga", method, place + path, body, 403)[0] == "scope_needed", path
    file = {"conversation_id": talk, "filename": "a.txt", "size": 1}
    said = {"conversation_id": talk, "payload": {"type": "text", "text": "x"}}
    for path, given in ((f"{place}/read", {"up_to": 1}), ("/v1/files/initiate", file), ("/v1/messages", said)):
        assert gateway.refused("olga", "POST", path, given, 403)[0] == "not_a_member", path
    assert gateway.ask("alice", "GET", place)["members_version"] == 2


def test_who_has_left_sees_what_was_true_then(gateway: Driver) -> None:
    """The members, the version and the last message of when they left; also in lists; nothing that came after."""
    talk = gateway.group("olga", "alice", "bob")
    gateway.send("olga", "before", conversation_id=talk)
    [before] = gateway.process()
    gateway.ask("olga", "DELETE", f"/v1/conversations/{talk}/members/bob", expect=204)
    gateway.ask("olga", "POST", f"/v1/conversations/{talk}/members", {"members": ["carl"]})
    leave(gateway, talk, "alice")
    gateway.send("olga", "after", conversation_id=talk)
    after = gateway.process()[-1]
    listed = gateway.ask("bob", "GET", "/v1/conversations")["conversations"]
    for seen in (gateway.ask("bob", "GET", f"/v1/conversations/{talk}"), *listed):
        assert [each["user_id"] for each in seen["members"]] == ["olga", "alice", "bob"]
        assert (seen["members_version"], seen["last_seq"]) == (1, before.seq)
    now = gateway.ask("carl", "GET", f"/v1/conversations/{talk}")
    assert [each["user_id"] for each in now["members"]] == ["olga", "carl"]
    assert now["last_seq"] == after.seq
    assert gateway.ask("crm", "GET", f"/v1/conversations/{talk}")["last_seq"] == after.seq


def test_who_comes_back_sees_what_is_true_now(gateway: Driver) -> None:
    """And has a member's rights again."""
    talk = gateway.group("olga", "alice")
    leave(gateway, talk, "olga")
    gateway.ask("alice", "POST", f"/v1/conversations/{talk}/members", {"members": ["olga", "bob"]})
    assert gateway.ask("olga", "GET", f"/v1/conversations/{talk}")["members_version"] == 3
    gateway.ask("olga", "DELETE", f"/v1/conversations/{talk}/members/bob", expect=204)


def test_lists_leave_metadata_out(gateway: Driver) -> None:
    """16 KB of it in each of 200 would be somebody else's choice; asked for, it is there."""
    talk = gateway.group("olga", "alice", metadata={"subject": "x" * 16_000})
    [listed] = gateway.ask("alice", "GET", "/v1/conversations")["conversations"]
    assert "metadata" not in listed
    [full] = gateway.ask("alice", "GET", "/v1/conversations?metadata=true")["conversations"]
    assert full["metadata"] == gateway.ask("alice", "GET", f"/v1/conversations/{talk}")["metadata"]


def wish(driver: Driver, who: str, added_by: str) -> None:
    told = driver.ask(who, "PATCH", "/v1/users/me", {"added_by": added_by})
    assert told.get("added_by", "everybody") == added_by


@pytest.mark.parametrize("added_by", ["contacts", "nobody"])
def test_people_say_who_may_bring_them_into_groups(gateway: Driver, added_by: str) -> None:
    """Founding and adding alike; contacts are those with whom they began a private conversation themselves."""
    talk = gateway.group("olga", "alice")
    wish(gateway, "bob", added_by)
    gateway.private("olga", "bob")
    found, join = {"type": "group", "members": ["bob"]}, {"members": ["bob"]}
    for path, body in (("/v1/conversations", found), (f"/v1/conversations/{talk}/members", join)):
        assert gateway.refused("olga", "POST", path, body, 403) == ("not_wanted", "members")
    gateway.private("bob", "alice")
    gateway.ask("alice", "POST", "/v1/conversations", found, 201 if added_by == "contacts" else 403)
    gateway.ask("crm", "POST", f"/v1/conversations/{talk}/members", join)
    wish(gateway, "bob", "everybody")
    gateway.group("carl", "bob")


def test_who_is_blocked_reaches_nobody(gateway: Driver) -> None:
    """No group, no private word, before or after the first; the one who blocks says nothing to them either, until unblocked."""
    talk = gateway.private("olga", "bob")
    gateway.send("olga", "first", to=["bob"])
    gateway.process()
    gateway.ask("bob", "PUT", "/v1/users/me/blocks/olga", expect=204)
    gateway.ask("bob", "PUT", "/v1/users/me/blocks/carl", expect=204)
    assert gateway.ask("bob", "GET", "/v1/users/me/blocks")["blocks"] == [{"user_id": "carl"}, {"user_id": "olga"}]
    for who in ("olga", "carl"):
        assert gateway.refused(who, "POST", "/v1/conversations", {"type": "group", "members": ["bob"]}, 403)[0] == "not_wanted"
        told = gateway.send(who, "again", to=["bob"])
        gateway.process()
        assert gateway.call("bob", "GET", f"/v1/messages/{told['message_id']}").status_code == 404
    assert gateway.refused("bob", "POST", f"/v1/conversations/{talk}/read", {"up_to": 1}, 403)[0] == "not_a_member"
    gateway.ask("bob", "DELETE", "/v1/users/me/blocks/olga", expect=204)
    told = gateway.send("olga", "welcome back", to=["bob"])
    gateway.process()
    gateway.ask("bob", "GET", f"/v1/messages/{told['message_id']}")
    assert [
        each["payload"]["text"] for each in gateway.ask("bob", "GET", f"/v1/conversations/{talk}/messages")["messages"]
    ] == ["first", "welcome back"]
    assert gateway.refused("bob", "DELETE", "/v1/users/me/blocks/olga", expect=404)[0] == "unknown_user"
    assert gateway.refused("bob", "PUT", "/v1/users/me/blocks/bob", expect=404)[0] == "unknown_user"
    assert gateway.refused("bob", "PUT", "/v1/users/me/blocks/nobody", expect=404)[0] == "unknown_user"


def test_groups_have_a_rate(start: Callable[..., Driver]) -> None:
    """Nobody fills somebody's list; a service client may."""
    driver = start(group_limit="3/hour")
    driver.people("eve", "bob")
    driver.service("crm", "manage")
    found = {"type": "group", "members": ["bob"]}
    statuses = [driver.call("eve", "POST", "/v1/conversations", found).status_code for _ in range(5)]
    assert statuses == [201, 201, 201, 429, 429]
    assert driver.call("crm", "POST", "/v1/conversations", found).status_code == 201


def test_uploads_under_way_are_bounded(start: Callable[..., Driver]) -> None:
    """By number and by bytes, also begun all at once; another user is not touched."""
    driver = start(open_uploads=4, open_upload_bytes=10 << 30)
    driver.people("eve", "bob")
    talk = driver.private("eve", "bob")

    def begin(who: str, size: int) -> Any:
        body = json.dumps({"conversation_id": talk, "filename": "a.bin", "size": size})
        headers = {"Authorization": f"Bearer {driver.tokens[who]}", "Content-Type": "application/json"}
        return driver.app.test_client().post("/v1/files/initiate", data=body, headers=headers)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _number: begin("eve", 1 << 20), range(40)))
    assert sum(each.status_code == 201 for each in answers) <= 4
    assert {each.status_code for each in answers} <= {201, 429}
    taken = begin("bob", 2 << 30)
    assert taken.status_code == 201
    assert [begin("bob", 2 << 30).status_code for _ in range(5)] == [201, 201, 201, 429, 429]
    assert begin("bob", 1).get_json()["code"] == "quota_exceeded"
    assert int(begin("bob", 1).headers["Retry-After"]) > 0


def test_what_is_complete_counts_no_longer(start: Callable[..., Driver]) -> None:
    """An upload in one request is under way while it lasts only."""
    driver = start(open_uploads=1)
    driver.people("eve", "bob")
    talk = driver.private("eve", "bob")
    for number in range(3):
        form = {"conversation_id": talk, "file": (BytesIO(b"x%d" % number), "a.txt")}
        headers = {"Authorization": f"Bearer {driver.tokens['eve']}"}
        assert driver.client.post("/v1/files", data=form, headers=headers).status_code == 201


# Codes.


def code_sent(driver: Driver) -> str:
    found = re.search(r"\d{6}", driver.records()[-1].payload.as_text())
    assert found
    return found[0]


def test_of_fifty_guesses_at_once_five_are_looked_at(gateway: Driver) -> None:
    """Each takes its try by compare-and-set, so the code of six figures stays one in 200,000."""
    path = "/v1/users/alice/identities/whatsapp"
    gateway.ask("alice", "PUT", path, {"address": CARLA})
    code = code_sent(gateway)
    headers = {"Authorization": f"Bearer {gateway.tokens['alice']}", "Content-Type": "application/json"}

    def guess(number: int) -> str:
        body = json.dumps({"address": CARLA, "code": f"{(int(code) + 1 + number) % 10**6:06}"})
        return str(gateway.app.test_client().post(f"{path}/verify", data=body, headers=headers).get_json()["code"])

    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(guess, range(50)))
    assert told.count("wrong_code") == 5
    assert told.count("no_code") == 45
    assert gateway.refused("alice", "POST", f"{path}/verify", {"address": CARLA, "code": code})[0] == "no_code"


def test_codes_have_rates(start: Callable[..., Driver]) -> None:
    """One user cannot have them sent to many, nor many to one address, nor one network with many users."""
    driver = start(code_limit="3/hour", code_network_limit="5/hour")
    driver.people("u1", "u2", "u3", "u4", "u5")

    def ask(who: str, number: int) -> int:
        path = f"/v1/users/{who}/identities/whatsapp"
        return driver.call(who, "PUT", path, {"address": f"+55119999900{number:02}"}).status_code

    assert [ask("u1", number) for number in range(5)] == [200, 200, 200, 429, 429]
    assert [ask(who, 9) for who in ("u2", "u3")] == [200, 200]
    assert ask("u4", 10) == 429


def test_one_address_is_not_written_to_by_many(start: Callable[..., Driver]) -> None:
    """Six accounts that claim one number."""
    driver = start(code_limit="3/hour")
    names = [f"u{number}" for number in range(6)]
    driver.people(*names)
    path = "/v1/users/{}/identities/whatsapp"
    statuses = [driver.call(who, "PUT", path.format(who), {"address": CARLA}).status_code for who in names]
    assert statuses == [200, 200, 200, 429, 429, 429]
