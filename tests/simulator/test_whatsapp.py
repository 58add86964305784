"""WhatsApp's own ways: who people are, what a status says, files by id, what a number tells of itself."""

import base64
import hashlib
import json
from base64 import b64encode
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from tests.simulator.calling import ACCOUNTS, ask, graph, text
from tests.simulator.conftest import World, until

ANA, STRANGER = "+5511999990000", "US.1234567890"


async def values(world: World, wanted: int, part: str) -> list[dict[str, Any]]:
    """The values of webhooks that have this part, once so many items of it have come."""

    def found() -> list[dict[str, Any]]:
        bodies = [json.loads(body) for name, _, body in world.gateway.heard if name == "whatsapp"]
        told = [change["value"] for body in bodies for entry in body["entry"] for change in entry["changes"]]
        return [value for value in told if part in value]

    await until(lambda: sum(len(value[part]) for value in found()) >= wanted)
    return found()


async def test_a_person_has_a_number_and_a_user_id(world: World) -> None:
    """Both in messages, answers and statuses, and always the same; who shows no number has the id alone."""
    await world.says("whatsapp", ANA, name="Ana")
    await world.says("whatsapp", STRANGER, name="Somebody")
    told = await values(world, 2, "messages")
    people = {each["profile"]["name"]: each for value in told for each in value["contacts"]}
    said = {each.get("from"): each for value in told for each in value["messages"]}
    user_id = people["Ana"]["user_id"]
    assert (people["Ana"]["wa_id"], said["5511999990000"]["from_user_id"]) == ("5511999990000", user_id)
    assert (people["Somebody"]["user_id"], "wa_id" in people["Somebody"]) == (STRANGER, False)
    assert said[None]["from_user_id"] == STRANGER
    assert {each.address for each in world.gateway.said} == {ANA, STRANGER}
    _, answer = await graph(world, "whatsapp", text("whatsapp", ANA, "oi"))
    assert answer["contacts"] == [{"input": ANA, "wa_id": "5511999990000", "user_id": user_id}]
    body = {**text("whatsapp", "", "oi"), "recipient": STRANGER}
    _, answer = await graph(world, "whatsapp", body)
    assert answer["contacts"] == [{"input": STRANGER, "user_id": STRANGER}]


async def test_a_status_says_who_and_what_it_costs(world: World) -> None:
    """Each status has its contact, both ids of the recipient, its conversation and its price; one that failed has no price."""
    await graph(world, "whatsapp", text("whatsapp", ANA, "oi"))
    told = await values(world, 3, "statuses")
    for value in told:
        assert [each["wa_id"] for each in value["contacts"]] == ["5511999990000"] * len(value["statuses"])
    statuses = [each for value in told for each in value["statuses"]]
    assert [each["status"] for each in statuses] == ["sent", "delivered", "read"]
    for each in statuses:
        assert (each["recipient_id"], each["recipient_user_id"]) == ("5511999990000", told[0]["contacts"][0]["user_id"])
        assert each["pricing"] == {
            "billable": False,
            "pricing_model": "PMP",
            "category": "service",
            "type": "free_customer_service",
        }
        assert each["conversation"]["origin"]["type"] == "service"
    await world.behave(rules=[{"status": 200, "code": 131026}])
    await graph(world, "whatsapp", text("whatsapp", ANA, "oi"))
    failed = (await values(world, 4, "statuses"))[-1]["statuses"][-1]
    assert (failed["status"], failed["errors"][0]["code"], "pricing" in failed) == ("failed", 131026, False)
    assert failed["errors"][0]["error_data"]["details"]


@pytest.mark.parametrize(
    ("mime_type", "kind", "captioned"),
    [
        ("image/jpeg", "image", True),
        ("video/mp4", "video", True),
        ("audio/ogg", "audio", False),
        ("image/webp", "sticker", False),
        ("application/pdf", "document", True),
    ],
)
async def test_a_persons_file(world: World, mime_type: str, kind: str, captioned: bool) -> None:
    """With its type and its checksum; the page behind its id has the same, and a deleted one is gone."""
    file = {"filename": "tea", "mime_type": mime_type, "content": b64encode(b"meow").decode()}
    await world.says("whatsapp", ANA, "look", file=file)
    message = (await values(world, 1, "messages"))[0]["messages"][0]
    part, digest = message[kind], hashlib.sha256(b"meow")
    assert (message["type"], part["mime_type"], part.get("caption")) == (kind, mime_type, "look" if captioned else None)
    assert base64.b64decode(part["sha256"]) == digest.digest()
    assert part.get("voice") is (True if kind == "audio" else None)
    status, page = await ask(world, "whatsapp", part["id"])
    assert (status, page["sha256"], page["file_size"]) == (200, digest.hexdigest(), 4)
    url = f"{world.url('whatsapp')}/v23.0/{part['id']}"
    headers = {"Authorization": f"Bearer {world.secret('whatsapp_token')}"}
    async with world.session.delete(url, headers=headers) as answer:
        assert await answer.json() == {"success": True}
    assert (await ask(world, "whatsapp", part["id"]))[0] == 400


@pytest.mark.parametrize("size", [4, 6 << 20])
async def test_a_file_is_uploaded_and_sent_by_its_id(world: World, size: int) -> None:
    """What was uploaded arrives with its size; a picture that is too large for its kind is refused."""
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
    form.add_field("file", BytesIO(b"x" * size), filename="cat.png", content_type="image/png")
    status, answer = await graph(world, "whatsapp", None, "media", json=None, data=form)
    if size > 5 << 20:
        assert (status, answer["error"]["code"]) == (400, 100)
        return
    image = {"messaging_product": "whatsapp", "to": ANA, "type": "image", "image": {"id": answer["id"]}}
    status, answer = await graph(world, "whatsapp", image)
    await until(lambda: world.gateway.receipts(answer["messages"][0]["id"]) == ["sent", "delivered", "read"])
    [arrived] = await world.sent()
    assert (arrived["kind"], arrived["media_size"]) == ("image", size)


async def test_a_number_tells_what_it_is_asked(world: World) -> None:
    """Its fields, its account, its templates and its token: what a connection looks at."""
    account = ACCOUNTS["whatsapp"]
    status, answer = await ask(world, "whatsapp", f"{account}?fields=display_phone_number,quality_rating")
    assert (status, answer) == (200, {"display_phone_number": "15550000001", "quality_rating": "GREEN", "id": account})
    _, answer = await ask(world, "whatsapp", f"{account}?fields=whatsapp_business_account{{id}}")
    business = answer["whatsapp_business_account"]["id"]
    _, answer = await ask(world, "whatsapp", f"{business}/message_templates")
    assert [each["name"] for each in answer["data"]] == ["hello_world"]
    _, answer = await ask(world, "whatsapp", "debug_token?input_token=x")
    assert "whatsapp_business_messaging" in answer["data"]["scopes"]


@pytest.mark.parametrize(
    ("kind", "part", "words"),
    [
        ("location", {"latitude": 1.5, "longitude": -2, "name": "Café"}, "Café 1.5, -2"),
        ("contacts", [{"name": {"formatted_name": "Bia", "first_name": "Bia"}}], "Bia"),
        ("reaction", {"message_id": "wamid.1", "emoji": "👍"}, "👍"),
        (
            "interactive",
            {
                "type": "button",
                "body": {"text": "Well?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
            },
            "Well?",
        ),
    ],
)
async def test_every_kind_of_message_arrives(world: World, kind: str, part: Any, words: str) -> None:
    """What is no text arrives with words that a person at a phone understands."""
    status, _ = await graph(world, "whatsapp", {"messaging_product": "whatsapp", "to": ANA, "type": kind, kind: part})
    [arrived] = await world.sent()
    assert (status, arrived["kind"], arrived["text"]) == (200, kind, words)


async def test_reading_is_taken(world: World) -> None:
    """A message may be marked as read, and nothing arrives by it."""
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}
    assert await graph(world, "whatsapp", body) == (200, {"success": True})
    assert await world.sent() == []


async def test_a_template_whose_status_changes_is_told(world: World) -> None:
    """Once, with why it was rejected, and understood; what stays as it is is not told again."""
    order = {"name": "order", "language": "en_US", "components": [{"type": "BODY", "text": "Hi"}]}
    for status in ("PENDING", "PENDING", "REJECTED"):
        await world.control("PUT", "/templates", json={"templates": [order | {"status": status}]})

    def heard() -> list[tuple[str, dict[str, Any]]]:
        bodies = [json.loads(body) for name, _, body in world.gateway.heard if name == "whatsapp"]
        return [(each["field"], each["value"]) for body in bodies for entry in body["entry"] for each in entry["changes"]]

    await until(lambda: len(heard()) == 2)
    assert {field for field, _ in heard()} == {"message_template_status_update"}
    assert [(value["event"], value["reason"]) for _, value in heard()] == [("PENDING", "NONE"), ("REJECTED", "INVALID_FORMAT")]
