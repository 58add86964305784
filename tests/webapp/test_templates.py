"""Templates of an account over REST, at the simulator: listed page by page, created, refused, deleted."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from limits.storage import MemoryStorage

from chat4all.model.records import EVENTS, Range
from chat4all.ports.templates import AccountTemplate
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from ops.simulator.providers.templates import Template, Templates
from ops.simulator.providers.whatsapp import WhatsApp
from ops.simulator.server import Simulator
from tests.wakes import Wakes
from tests.webapp.driver import Driver
from webapp.app import create_app

PATH = "/v1/accounts/whatsapp/templates"
BODY = {"type": "BODY", "text": "Order {{1}} is ready"}
ORDER = {"name": "order", "language": "en_US", "category": "UTILITY", "components": [BODY]}


class World:
    """A gateway whose accounts are at a simulator, which runs on a loop of its own."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data=folder, partitions=2, broker="memory://", provider_timeout_s=5)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.simulator = Simulator(settings)
        port = asyncio.run_coroutine_threadsafe(self.simulator.start(0), self._loop).result(10)
        at = settings.model_copy(update={"simulator_at": f"http://127.0.0.1:{port}"})
        self.driver = Driver(create_app(at, None, MemoryStorage(), Wakes()))
        self.driver.service("ops", "manage")
        self.driver.service("bot", "send")

    @property
    def templates(self) -> Templates:
        provider = self.simulator.channels["whatsapp"].provider
        assert isinstance(provider, WhatsApp)
        return provider.templates

    def close(self) -> None:
        self.driver.close()
        asyncio.run_coroutine_threadsafe(self.simulator.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def listed(world: World, **query: Any) -> list[tuple[str, str, str]]:
    """All templates, page by page: name, language, status."""
    found, after = [], ""
    while True:
        asked = "&".join(f"{name}={value}" for name, value in {**query, "after": after}.items() if value)
        page = world.driver.ask("ops", "GET", f"{PATH}?{asked}")
        found += [(each["name"], each["language"], each["status"]) for each in page["templates"]]
        if "next" not in page:
            return found
        after = page["next"]


def test_templates_are_listed_with_their_status(world: World) -> None:
    """Each once, however long pages are; also by name."""
    world.templates.set(
        [Template(f"t{number}", "de", status) for number, status in enumerate(("PENDING", "REJECTED", "PAUSED"))]
    )
    every = [("hello_world", "en_US", "APPROVED"), ("t0", "de", "PENDING"), ("t1", "de", "REJECTED"), ("t2", "de", "PAUSED")]
    for limit in (1, 2, 4, 50):
        assert listed(world, limit=limit) == every
    assert listed(world, name="t1") == every[2:3]


def test_a_template_is_created_and_deleted_in_one_language(world: World) -> None:
    """The other language stays; one that is not there is not found."""
    made = world.driver.ask("ops", "POST", PATH, ORDER, 201)
    assert (made["status"], made["components"], bool(made["template_id"])) == ("APPROVED", [BODY], True)
    world.driver.ask("ops", "POST", PATH, ORDER | {"language": "de"}, 201)
    world.driver.ask("ops", "DELETE", f"{PATH}/order/de", expect=204)
    assert [each[:2] for each in listed(world)] == [("hello_world", "en_US"), ("order", "en_US")]
    assert world.driver.refused("ops", "DELETE", f"{PATH}/order/de", expect=404)[0] == "unknown_template"


def test_what_the_provider_refuses_is_said_in_its_words(world: World) -> None:
    """A template that is there already, and one without words, are refused as template_invalid."""
    world.driver.ask("ops", "POST", PATH, ORDER, 201)
    problem = world.driver.ask("ops", "POST", PATH, ORDER, 422)
    assert (problem["code"], problem["detail"]) == ("template_invalid", "Content in this language already exists")
    footer = ORDER | {"name": "foot", "components": [{"type": "FOOTER", "text": "x"}]}
    assert world.driver.refused("ops", "POST", PATH, footer) == ("template_invalid", "components")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Order 1"}, "name"),
        ({"language": "English"}, "language"),
        ({"category": "NEWS"}, "category"),
        ({"components": []}, "components"),
    ],
)
def test_what_can_be_no_template_never_leaves(world: World, changed: dict[str, Any], field: str) -> None:
    """The field is named."""
    assert world.driver.refused("ops", "POST", PATH, ORDER | changed)[1] == field
    assert len(world.templates.all()) == 1


def test_templates_are_for_those_who_manage_and_for_channels_that_have_them(world: World) -> None:
    """Others are told so."""
    assert world.driver.refused("bot", "GET", PATH, expect=403)[0] == "scope_needed"
    for method, path, body in (("GET", "", None), ("POST", "", ORDER), ("DELETE", "/order/de", None)):
        place = f"/v1/accounts/telegram/templates{path}"
        assert world.driver.refused("ops", method, place, body, 409)[0] == "not_supported"
        assert world.driver.refused("ops", method, f"/v1/accounts/nobody/templates{path}", body, 404)[0] == "unknown_account"


def test_what_is_listed_is_what_is_known(world: World) -> None:
    """The provider is asked when it never was, and when somebody wants that; what it no longer has is gone."""
    assert listed(world) == [("hello_world", "en_US", "APPROVED")]
    world.templates.set([Template("order", "en_US", "REJECTED", components=[BODY])])
    assert listed(world) == [("hello_world", "en_US", "APPROVED")]
    assert world.driver.ask("ops", "POST", f"{PATH}/read") == {"changed": 1}
    assert listed(world)[1] == ("order", "en_US", "REJECTED")
    world.templates.set([])
    assert world.driver.ask("ops", "POST", f"{PATH}/read") == {"changed": 1}
    assert world.driver.ask("ops", "POST", f"{PATH}/read") == {"changed": 0}
    assert listed(world) == [("hello_world", "en_US", "APPROVED")]
    assert [each.template.status for each in events(world)][-1] == "DELETED"
    assert world.driver.call("ops", "GET", "/v1/accounts/nobody/templates").status_code == 404


def events(world: World) -> list[pb.Event]:
    """What was told of templates, by partition."""
    log = world.driver.parts.log
    spans = [Range(partition, first, end - 1) for partition, (first, end) in log.ends(EVENTS).items() if end > first]
    found = [pb.Event.FromString(each.value) for each in log.read(EVENTS, spans, 5)] if spans else []
    return [each for each in found if each.HasField("template")]


def test_a_preview_shows_what_a_person_reads(world: World) -> None:
    """And says what does not fit, as a send does: the field, and what the template has there."""
    world.templates.set([Template("order", "en_US", "PAUSED", components=[BODY])])
    place = f"{PATH}/order/en_US/preview"
    shown = world.driver.ask("ops", "POST", place, {"parameters": {"body": ["7"]}})
    assert shown == {
        "text": "Order 7 is ready",
        "body": "Order 7 is ready",
        "status": "PAUSED",
        "category": "UTILITY",
        "sendable": False,
    }
    for given, field in (([], "parameters.body"), (["a\nb"], "parameters.body.0"), (["a     b"], "parameters.body.0")):
        assert world.driver.refused("ops", "POST", place, {"parameters": {"body": given}}) == ("template_invalid", field)
    assert world.driver.call("ops", "POST", f"{PATH}/none/en_US/preview", {}).status_code == 404


def test_a_send_is_checked_against_what_is_known(world: World) -> None:
    """How many places, of which kind, and whether it is approved; what is not known here the provider judges."""
    world.templates.set(
        [Template("order", "en_US", components=[BODY]), Template("bad", "en_US", "REJECTED", components=[BODY])]
    )
    said: dict[str, Any] = {"to": ["whatsapp:+5511999990000"], "payload": {"type": "template", "language": "en_US"}}

    def send(name: str, *body: str) -> Any:
        payload = said["payload"] | {"name": name, "parameters": {"body": list(body)}}
        return world.driver.call("bot", "POST", "/v1/messages", said | {"payload": payload})

    assert send("order").status_code == 202
    world.driver.ask("ops", "POST", f"{PATH}/read")
    for answer, field in ((send("order"), "payload.parameters.body"), (send("bad", "7"), "payload.name")):
        assert (answer.status_code, answer.get_json()["code"]) == (422, "template_invalid")
        assert answer.get_json()["errors"][0]["field"] == field
    assert send("order", "7").status_code == send("unknown", "7").status_code == 202
    instead = said | {
        "payload": {"type": "text", "text": "hi"},
        "outside_window": {"template": said["payload"] | {"name": "bad"}},
    }
    refused = world.driver.call("bot", "POST", "/v1/messages", instead)
    assert refused.get_json()["errors"][0]["field"] == "outside_window.name"


def test_a_webhook_changes_what_is_known(world: World) -> None:
    """Status, quality, category; brought again it is told again under the same id, and what is older changes nothing."""
    store, later = world.driver.parts.store, 1_600_000_000
    store.put_templates("whatsapp", [AccountTemplate("order", "en_US", "UTILITY", (BODY,), "APPROVED", template_id="7", at=1)])
    store.note_templates_read("whatsapp", 1)
    named = {"message_template_id": 7, "message_template_name": "order", "message_template_language": "en-US"}

    def tells(field: str, at: int, **value: Any) -> None:
        change = {"field": field, "value": named | value}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "time": at, "changes": [change]}]})
        secret = world.driver.parts.settings.secret("whatsapp_app_secret")
        proof = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={proof}", "Content-Type": "application/json"}
        assert world.driver.call(None, "POST", "/channels/whatsapp/webhook", body.encode(), headers=headers).status_code == 200

    tells("message_template_status_update", later, event="REJECTED", reason="INCORRECT_CATEGORY")
    tells("message_template_status_update", later, event="REJECTED", reason="INCORRECT_CATEGORY")
    tells("message_template_status_update", later - 30, event="APPROVED", reason="NONE")
    tells("message_template_quality_update", later + 1, previous_quality_score="GREEN", new_quality_score="RED")
    tells("template_category_update", later + 2, previous_category="UTILITY", new_category="MARKETING")
    tells("message_template_status_update", later + 3, event="FLAGGED", reason="NONE")
    [shown] = [each for each in world.driver.ask("ops", "GET", PATH)["templates"] if each["name"] == "order"]
    assert (shown["status"], shown["reason"], shown["quality"], shown["category"]) == (
        "REJECTED",
        "INCORRECT_CATEGORY",
        "RED",
        "MARKETING",
    )
    found = [each for each in events(world) if each.template.name == "order"]
    assert [each.template.status for each in found] == ["REJECTED"] * 4
    assert len({each.event_id for each in found}) == 3
