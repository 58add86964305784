"""Saved replies over REST: kept by those who answer, and made ready for a conversation."""

from typing import Any

import pytest

from tests.webapp.driver import Driver
from tests.webapp.uploading import Uploads, random_bytes

PEOPLE = ("alice", "bob")
CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}
PATH = "/v1/saved-replies"
CARLA = "+5511999990000"
HELLO = {"title": "Greeting", "shortcut": "hello", "text": "Hello {{first_name|there}}, this is {{agent|us}}."}


def saved(driver: Driver, **more: Any) -> Any:
    """A reply that was kept."""
    return driver.ask("crm", "POST", PATH, HELLO | more, 201)


def rendered(driver: Driver, reply: Any, talk: str, expect: int = 200, **more: str) -> Any:
    """What is to be said."""
    return driver.ask("crm", "POST", f"{PATH}/{reply['reply_id']}/render", {"conversation_id": talk, **more}, expect)


def test_a_reply_is_kept_changed_and_forgotten(gateway: Driver) -> None:
    """What is left out stays, saying the same again changes nothing, and a version is checked."""
    made = saved(gateway)
    assert made.items() >= (HELLO | {"files": [], "version": 1, "changed_by": "crm"}).items()
    path = f"{PATH}/{made['reply_id']}"
    assert gateway.ask("crm", "GET", path) == made
    changed = gateway.ask("crm", "PATCH", path, {"text": "Bom dia", "version": 1})
    assert changed.items() >= (HELLO | {"text": "Bom dia", "version": 2}).items()
    assert gateway.ask("crm", "PATCH", path, {"text": "Bom dia"})["version"] == 2
    assert gateway.refused("crm", "PATCH", path, {"text": "late", "version": 1}, 409)[0] == "saved_reply_changed"
    gateway.ask("crm", "DELETE", path, None, 204)
    for method, body in (("GET", None), ("PATCH", {"text": "x"}), ("DELETE", None)):
        assert gateway.refused("crm", method, path, body, 404)[0] == "unknown_saved_reply"


def test_replies_are_found_by_shortcut(gateway: Driver) -> None:
    """By what it begins with, in its order, page by page; no two have the same."""
    for each in ("help", "HELLO", "bye", "hours"):
        saved(gateway, shortcut=each)

    def listed(query: str) -> list[str]:
        return [each["shortcut"] for each in gateway.ask("crm", "GET", f"{PATH}?{query}")["saved_replies"]]

    assert (listed(""), listed("shortcut=He"), listed("shortcut=x")) == (
        ["bye", "hello", "help", "hours"],
        ["hello", "help"],
        [],
    )
    first = gateway.ask("crm", "GET", f"{PATH}?limit=3")
    assert listed(f"limit=3&after={first['next']}") == ["hours"]
    assert gateway.refused("crm", "POST", PATH, HELLO | {"shortcut": "Help"}, 409)[0] == "shortcut_taken"
    [bye] = gateway.ask("crm", "GET", f"{PATH}?shortcut=bye")["saved_replies"]
    assert gateway.refused("crm", "PATCH", f"{PATH}/{bye['reply_id']}", {"shortcut": "help"}, 409)[0] == "shortcut_taken"


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"title": ""}, "title", "invalid"),
        ({"title": " "}, "title", "invalid"),
        ({"title": "two\nlines"}, "title", "invalid"),
        ({"title": "x" * 101}, "title", "invalid"),
        ({"shortcut": ""}, "shortcut", "invalid"),
        ({"shortcut": "two words"}, "shortcut", "invalid"),
        ({"shortcut": "é"}, "shortcut", "invalid"),
        ({"text": " "}, "text", "invalid"),
        ({"text": "x" * 4097}, "text", "invalid"),
        ({"text": "Hi {{nmae}}"}, "text", "unknown_variable"),
        ({"text": "Hi {{name"}, "text", "invalid"),
        ({"files": ["0f8f5f0e-3d5c-4f0a-9a40-6d9c0d2b7c11"]}, "files.0", "unknown_file"),
        ({"files": ["no id"]}, "files.0", "unknown_file"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(gateway: Driver, wrong: dict[str, Any], field: str, code: str) -> None:
    """When it is made and when it is changed; nothing is kept of it."""
    assert gateway.refused("crm", "POST", PATH, HELLO | wrong) == (code, field)
    assert gateway.ask("crm", "GET", PATH) == {"saved_replies": []}
    path = f"{PATH}/{saved(gateway)['reply_id']}"
    assert gateway.refused("crm", "PATCH", path, wrong) == (code, field)
    assert gateway.ask("crm", "GET", path)["version"] == 1


def test_an_unknown_variable_is_named(gateway: Driver) -> None:
    """With those that there are."""
    problem = gateway.ask("crm", "POST", PATH, HELLO | {"text": "Hi {{nmae}}"}, 422)
    assert "{{nmae}}" in problem["errors"][0]["detail"]
    assert "first_name" in problem["errors"][0]["detail"]


def test_others_than_those_who_answer_have_none(gateway: Driver) -> None:
    """Neither people nor bots; a reply of the team is no member's business."""
    made = saved(gateway)
    for who in ("alice", "bot"):
        for method, path, body in (
            ("GET", PATH, None),
            ("POST", PATH, HELLO),
            ("GET", f"{PATH}/{made['reply_id']}", None),
            ("POST", f"{PATH}/{made['reply_id']}/render", {"conversation_id": made["reply_id"]}),
        ):
            assert gateway.refused(who, method, path, body, 403)[0] == "scope_needed"


def test_a_reply_is_made_ready_for_a_conversation(gateway: Driver) -> None:
    """By the customer's name and attributes, and the name of who answers; where one is missing, by what stands for it."""
    talk = gateway.writes("whatsapp", CARLA, "hi", "p1", sender_name="Carla Dias").conversation_id
    gateway.process()
    reply = saved(gateway, text="{{name}} {{first_name}} {{agent|us}} {{agent_first_name|we}} {{attribute.plan|none}}")
    assert rendered(gateway, reply, talk)["payload"] == {"type": "text", "text": "Carla Dias Carla us we none"}
    [contact] = gateway.ask("crm", "GET", "/v1/contacts")["contacts"]
    gateway.ask("crm", "PATCH", f"/v1/contacts/{contact['contact_id']}", {"attributes": {"plan": True, "age": 7}})
    said = rendered(gateway, reply, talk, agent="alice")["payload"]
    assert said["text"] == "Carla Dias Carla Alice Alice true"
    gateway.ask("crm", "POST", "/v1/messages", {"to": [f"whatsapp:{CARLA}"], "payload": said}, 202)


def test_a_missing_value_is_refused_by_name(gateway: Driver) -> None:
    """Unless something stands for it; of several possible customers none is meant."""
    group = gateway.group("alice", "bob")
    pair = gateway.private("alice", "bob")
    reply = saved(gateway, text="{{name}} {{attribute.x}}")
    assert gateway.refused("crm", "POST", f"{PATH}/{reply['reply_id']}/render", {"conversation_id": group}) == (
        "missing_value",
        "text",
    )
    detail = rendered(gateway, reply, pair, 422, agent="alice")["errors"][0]["detail"]
    assert "attribute.x" in detail
    assert "name," not in detail
    named = saved(gateway, shortcut="n", text="{{name}}")
    assert rendered(gateway, named, pair, agent="alice")["payload"]["text"] == "Bob"
    assert rendered(gateway, named, pair, 422, agent="nobody")["code"] == "unknown_user"
    assert rendered(gateway, named, "0f8f5f0e-3d5c-4f0a-9a40-6d9c0d2b7c11", 404)["code"] == "unknown_conversation"


def with_team(uploads: Uploads) -> Driver:
    """The gateway, with those who answer."""
    uploads.driver.service("crm", "send", "manage")
    return uploads.driver


def test_files_go_along_into_any_conversation(uploads: Uploads) -> None:
    """One beside the words, several as an album; each as a file of that conversation, which its members may fetch."""
    driver, data = with_team(uploads), [random_bytes(9), random_bytes(11)]
    files = [uploads.whole(each) for each in data]
    other = driver.private("bob", "eve")
    one, two = saved(driver, files=files[:1]), saved(driver, shortcut="two", text="", files=[*files, files[0]])
    assert [each["size"] for each in two["files"]] == [9, 11]
    payload = rendered(driver, one, other)["payload"]
    assert (payload["type"], payload["caption"]) == ("media", "Hello there, this is us.")
    album = rendered(driver, two, other)["payload"]
    assert (album["type"], len(album["items"]), "caption" in album) == ("album", 2, False)
    made = [payload["file_id"], *(each["file_id"] for each in album["items"])]
    assert len({*made, *files}) == 5
    for file_id, wanted in zip(made, [data[0], *data], strict=True):
        assert uploads.get(uploads.url(file_id, "eve")).data == wanted
        assert driver.refused("ana", "GET", f"/v1/files/{file_id}", None, 404)[0] == "unknown_file"
    for each in (payload, album):
        driver.ask("bob", "POST", "/v1/messages", {"conversation_id": other, "payload": each}, 202)


def test_a_replys_files_are_its_own(uploads: Uploads) -> None:
    """They outlive the files that they were made of, in changes too, and go with the reply when nobody else has them."""
    driver, data = with_team(uploads), random_bytes(9)
    file_id = uploads.whole(data)
    reply = saved(driver, files=[file_id])
    [key] = uploads.stored()
    expired(uploads, file_id)
    assert uploads.stored() == [key]
    changed = driver.ask("crm", "PATCH", f"{PATH}/{reply['reply_id']}", {"files": [file_id], "title": "Other"})
    copy = rendered(driver, changed, uploads.conversation)["payload"]["file_id"]
    assert uploads.get(uploads.url(copy, "bob")).data == data
    driver.ask("crm", "DELETE", f"{PATH}/{reply['reply_id']}", None, 204)
    assert uploads.stored() == [key]
    expired(uploads, copy)
    assert uploads.stored() == []


def test_a_change_lets_go_of_files(uploads: Uploads) -> None:
    """Of those that it leaves out, and of no others."""
    driver = with_team(uploads)
    files = [uploads.whole(random_bytes(9)) for _ in range(2)]
    keys = [uploads.key(each) for each in files]
    reply = saved(driver, files=files)
    for each in files:
        expired(uploads, each)
    driver.ask("crm", "PATCH", f"{PATH}/{reply['reply_id']}", {"files": files[1:]})
    assert uploads.stored() == [keys[1]]
    assert driver.refused("crm", "PATCH", f"{PATH}/{reply['reply_id']}", {"files": files}) == ("unknown_file", "files.0")


def expired(uploads: Uploads, file_id: str) -> None:
    """Nobody sent it for long."""
    store = uploads.driver.parts.store
    uploads.filing.look(store.files([file_id])[file_id])
    assert store.files([file_id])[file_id].is_gone
