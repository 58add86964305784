"""Templates of an account over REST, at the simulator: listed page by page, created, refused, deleted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from limits.storage import MemoryStorage

from chat4all.settings import Settings
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
