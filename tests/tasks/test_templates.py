"""Templates are read at the provider now and then: what changed is told, and a provider that is away is asked again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.failures import Temporary
from chat4all.ports.templates import AccountTemplate, TemplatePage
from chat4all.telemetry.instruments import REGISTRY
from tasks.templates import TemplateReader
from tests.tasks.world import World, asked_anew, world

ORDER = AccountTemplate("order", "en_US", "UTILITY", ({"type": "BODY", "text": "Hi"},), "PENDING")


class Provider:
    """Answers page by page; `failure`: raised in place of that."""

    def __init__(self) -> None:
        self.pages, self.failure, self.asked = {"": TemplatePage((ORDER,), "2"), "2": TemplatePage(())}, False, 0

    def __call__(self, account_id: str, after: str) -> TemplatePage:
        assert account_id == "whatsapp"
        self.asked += 1
        if self.failure:
            raise Temporary("away")
        return self.pages[after]


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=2) as made:
        yield made


def read(outcome: str) -> float:
    """How often that came of it."""
    labels = {"channel": "whatsapp", "outcome": outcome}
    return REGISTRY.get_sample_value("chat4all_templates_read_total", labels) or 0.0


def test_all_pages_are_read_and_what_changed_is_told(road: World) -> None:
    """Once in ten minutes, whichever worker asks; one that fails leaves it to the next look."""
    provider = Provider()
    readers = [TemplateReader(road.parts, asked_anew(road), provider) for _ in range(2)]
    fine, failed = read("read"), read("failed")
    provider.failure = True
    readers[0].look()
    assert (read("failed"), road.store.templates_of("whatsapp")) == (failed + 1, [])
    provider.failure, provider.asked = False, 0
    for each in readers:
        each.look()
    assert (provider.asked, read("read")) == (2, fine + 1)
    [kept] = road.store.templates_of("whatsapp")
    assert replace(kept, at=0) == ORDER
    road.store.note_templates_read("whatsapp", kept.at)
    assert [(each.account_id, each.name, each.status) for each in road.events("template")] == [("whatsapp", "order", "PENDING")]


def test_a_look_costs_nothing_soon_after_another(road: World) -> None:
    """The sweep comes every second."""
    provider = Provider()
    reader = TemplateReader(road.parts, asked_anew(road), provider)
    assert reader.sweep() is None
    reader._looks_at = 0.0
    begun = reader.sweep()
    assert begun
    begun.join(10)
    assert (reader.sweep(), provider.asked) == (None, 2)
