"""Content of every kind over REST: what is taken, what is refused and at which field, and that nothing is a 5xx."""

import json
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.content import read_shown, shown
from chat4all.model.drafts import AlbumDraft, MediaDraft, Sendable
from chat4all.services.acceptance.content_checks import FAULTS
from tests.contents import JSON, contents
from tests.webapp.driver import Driver

ID = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"
OPTION = {"id": "y", "title": "Yes"}
CHOICES = {"type": "choices", "text": "Tea?", "options": [OPTION]}
PLACE = {"type": "location", "latitude": 1.5, "longitude": 2}
FORM = {"type": "form", "flow_id": "f", "text": "Your order", "button": "Open"}
EDIT = {"type": "edit", "target": ID, "content": {"type": "text", "text": "Hello"}}
REACTION = {"type": "reaction", "target": ID, "emoji": "👍"}
VOTE = {"type": "vote", "target": ID, "options": [2]}
TEMPLATE = {"type": "template", "name": "welcome", "language": "pt_BR"}
CARDS = {"type": "contact_cards", "cards": [{"name": "Bob"}]}
ALBUM = {"type": "album", "items": [{"file_id": ID}, {"file_id": "b"}], "caption": "x"}
RIGHT: list[dict[str, Any]] = [
    {"type": "text", "text": "x"},
    PLACE | {"latitude": 0, "longitude": 0, "name": "Null Island"},
    CARDS,
    CHOICES | {"style": "list", "links": [{"title": "Menu", "url": "https://example.org"}]},
    FORM | {"data": {"a": [1, 2.5, None]}},
    {"type": "answer", "target": ID, "option_id": "y", "title": "Yes"},
    TEMPLATE | {"parameters": {"body": ["Ann"]}},
    REACTION,
    REACTION | {"emoji": ""},
    VOTE,
    {"type": "vote", "target": ID},
    EDIT,
    {"type": "deletion", "target": ID},
]
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a text without words": ({"type": "text"}, "invalid", "payload.text.text"),
    "media without a file": ({"type": "media", "caption": "x"}, "invalid", "payload.media.file_id"),
    "media of no kind": ({"type": "media", "file_id": ID, "kind": "song"}, "invalid", "payload.kind"),
    "media with a filename": ({"type": "media", "file_id": ID, "filename": "a"}, "invalid", "payload.media.filename"),
    "media by the field of before": ({"type": "media", "file_id": ID, "text": "a"}, "invalid", "payload.media.text"),
    "an album of one": (ALBUM | {"items": [{"file_id": ID}]}, "invalid", "payload.album.items"),
    "an album of eleven": (ALBUM | {"items": [{"file_id": f"{ID[:-2]}{n:02}"} for n in range(11)]}, "invalid",
                           "payload.album.items"),
    "an album of one file twice": (ALBUM | {"items": [{"file_id": ID}, {"file_id": ID.upper()}]}, "invalid",
                                   "payload.items.1.file_id"),
    "an album of no kind": (ALBUM | {"items": [{"file_id": ID, "kind": "song"}, {"file_id": "b"}]}, "invalid",
                            "payload.items.0.kind"),
    "an album of files that are not there": (ALBUM, "unknown_file", "payload.items.0.file_id"),
    "an album with words at an item": (ALBUM | {"items": [{"file_id": ID, "caption": "x"}, {"file_id": "b"}]}, "invalid",
                                       "payload.album.items.0.caption"),
    "half a place": ({"type": "location", "latitude": 1}, "invalid", "payload.location.longitude"),
    "a place in words": (PLACE | {"latitude": "1"}, "invalid", "payload.location.latitude"),
    "a place beyond the pole": (PLACE | {"latitude": 90.5}, "invalid", "payload.latitude"),
    "a place beyond the date line": (PLACE | {"longitude": -181}, "invalid", "payload.longitude"),
    "a long address": (PLACE | {"address": "x" * 1001}, "invalid", "payload.address"),
    "a place until never": (PLACE | {"live_until": -1}, "invalid", "payload.live_until"),
    "a place for ever": (PLACE | {"live_until": 10**30}, "invalid", "payload.live_until"),
    "no cards": (CARDS | {"cards": []}, "invalid", "payload.cards"),
    "a card without a name": (CARDS | {"cards": [{"name": "a"}, {"phones": ["1"]}]}, "missing", "payload.cards.1.name"),
    "a card of phones in a text": (CARDS | {"cards": [{"name": "a", "phones": "1"}]}, "invalid",
                                   "payload.contact_cards.cards.0.phones"),
    "choices without a question": (CHOICES | {"text": " "}, "empty_text", "payload.text"),
    "choices without any": (CHOICES | {"options": []}, "invalid", "payload.options"),
    "choices in no style": (CHOICES | {"style": "wheel"}, "invalid", "payload.style"),
    "an option twice": (CHOICES | {"options": [OPTION, OPTION]}, "invalid", "payload.options.1.id"),
    "an option without a title": (CHOICES | {"options": [{"id": "y"}]}, "invalid", "payload.choices.options.0.title"),
    "an option with more": (CHOICES | {"options": [OPTION | {"colour": 1}]}, "invalid", "payload.choices.options.0.colour"),
    "a link that is none": (CHOICES | {"links": [{"title": "a", "url": "javascript:"}]}, "invalid", "payload.links.0.url"),
    "a form that is none": (FORM | {"flow_id": ""}, "invalid", "payload.flow_id"),
    "a form with answers": (FORM | {"answers": {"a": 1}}, "invalid", "payload.flow_id"),
    "a form with a list of data": (FORM | {"data": []}, "invalid", "payload.form.data"),
    "a form with too much data": (FORM | {"data": {"a": "x" * 20_000}}, "metadata_too_large", "payload.data"),
    "an answer to nothing": ({"type": "answer", "option_id": "y"}, "malformed_uuid", "payload.target"),
    "an answer without a choice": ({"type": "answer", "target": ID}, "missing", "payload.option_id"),
    "a template without a name": (TEMPLATE | {"name": ""}, "missing", "payload.name"),
    "a template without a language": ({"type": "template", "name": "a"}, "invalid", "payload.template.language"),
    "a template with an empty place": (TEMPLATE | {"parameters": {"body": ["Ann", " \n"]}}, "template_invalid",
                                       "payload.parameters.body.1"),
    "a template with an empty header": (TEMPLATE | {"parameters": {"header": [""]}}, "template_invalid",
                                        "payload.parameters.header.0"),
    "a template of buttons": (TEMPLATE | {"parameters": {"buttons": ["x"] * 11}}, "template_invalid",
                              "payload.parameters.buttons"),
    "a reaction to nothing": (REACTION | {"target": "x"}, "malformed_uuid", "payload.target"),
    "a reaction in words": (REACTION | {"emoji": "great"}, "invalid", "payload.emoji"),
    "a vote for nothing": (VOTE | {"target": ""}, "malformed_uuid", "payload.target"),
    "a vote for one twice": (VOTE | {"options": [2, 2]}, "invalid", "payload.options"),
    "a vote that counts from 0": (VOTE | {"options": [0]}, "invalid", "payload.vote.options.0"),
    "a vote in words": (VOTE | {"options": ["Ten"]}, "invalid", "payload.vote.options.0"),
    "a vote with what only the service says": (VOTE | {"counts": [7]}, "invalid", "payload.counts"),
    "an edit without words": (EDIT | {"content": {"type": "text", "text": " "}}, "empty_text", "payload.content.text"),
    "an edit of a place": (EDIT | {"content": PLACE}, "invalid", "payload.edit.content.type"),
    "a deletion of nothing": ({"type": "deletion"}, "malformed_uuid", "payload.target"),
    "an order": ({"type": "order", "items": []}, "invalid", "payload"),
    "no type": ({"text": "x"}, "invalid", "payload"),
    "a type that is a list": ({"type": []}, "invalid", "payload"),
    "a field of another kind": ({"type": "text", "text": "x", "latitude": 1}, "invalid", "payload.text.latitude"),
}  # fmt: skip
FUZZED = settings(max_examples=150, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
ODD = st.one_of(JSON, st.sampled_from([10**30, -(10**30), 2**53 + 1, 1e308, "x" * 5_000, [[]] * 60, {"a": {"a": {"a": []}}}]))


@pytest.mark.parametrize("payload", RIGHT, ids=lambda each: each["type"])
def test_a_payload_of_every_kind_is_accepted_and_comes_back(gateway: Driver, payload: dict[str, Any]) -> None:
    """As it was sent; numbers stay what they are."""
    gateway.people("alice", "bob")
    sent = gateway.ask("alice", "POST", "/v1/messages", {"to": ["bob"], "payload": payload}, 202)
    [message] = [each for each in gateway.process() if each.message_id == sent["message_id"]]
    assert message.payload == read_shown(payload)
    assert payload.items() <= json.loads(msgspec.json.encode(shown(message.payload) | {"emoji": payload.get("emoji")})).items()


def test_every_kind_has_right_and_wrong_examples() -> None:
    """That has rules of its own. Bounds of fields are tried of all kinds, below."""
    structs: list[Any] = list(FAULTS)
    kinds = {str(each.__struct_config__.tag) for each in structs}
    assert kinds <= {each["type"] for each in RIGHT} | {"media", "album"}
    assert kinds <= {each.get("type") for each, _, _ in WRONG.values() if isinstance(each.get("type"), str)}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_payload_is_refused_at_its_field(untouched: Driver, name: str) -> None:
    """422 with a stable code."""
    payload, code, field = WRONG[name]
    refused = untouched.refused("alice", "POST", "/v1/messages", {"to": ["bob"], "payload": payload})
    assert refused == (code, field)


def test_reply_to_is_a_message_id(untouched: Driver) -> None:
    """Or it is refused."""
    body = {"to": ["bob"], "payload": RIGHT[0], "reply_to": "x"}
    assert untouched.refused("alice", "POST", "/v1/messages", body) == ("malformed_uuid", "reply_to")


@pytest.mark.parametrize("kind", get_args(Sendable), ids=lambda each: each.__name__)
def test_what_is_a_little_wrong_is_refused_or_kept(untouched: Driver, kind: Any) -> None:
    """No 5xx; a refusal names the payload; what was accepted can be read from the log."""

    @FUZZED
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        files = {MediaDraft: {"type": "media", "file_id": ID}, AlbumDraft: ALBUM}
        payload = files[kind] if kind in files else shown(data.draw(contents(kind)))
        payload = json.loads(json.dumps(payload))
        name = data.draw(st.sampled_from(sorted({*payload, *kind.__struct_fields__} - {"type"})))
        payload[name] = data.draw(ODD)
        answer = untouched.call("alice", "POST", "/v1/messages", {"to": ["bob"], "payload": payload})
        assert answer.status_code in (202, 422), answer.get_data(as_text=True)
        if answer.status_code == 422:
            [wrong] = json.loads(answer.data)["errors"]
            assert wrong["field"].split(".")[0] == "payload"

    holds()
    untouched.records()


def test_without_adapting_what_a_channel_cannot_show_is_refused(start: Callable[..., Driver]) -> None:
    """Naming the channel and the kind; what it carries is accepted, and so is all else that may be adapted."""
    driver = start()
    driver.people("alice")
    driver.service("crm", "send")

    def sends(payload: dict[str, Any], expect: int, **more: Any) -> Any:
        body = {"from": "alice", "to": ["whatsapp:+5511999990000"], "payload": payload, **more}
        return driver.ask("crm", "POST", "/v1/messages", body, expect)

    place = {"type": "location", "latitude": 1.5, "longitude": 2.5}
    refused = sends(place, 422, adapt=False)
    assert (refused["code"], refused["errors"][0]["field"]) == ("not_supported", "payload")
    assert "whatsapp" in refused["detail"]
    assert "location" in refused["detail"]
    sends(place, 202)
    sends({"type": "text", "text": "hello"}, 202, adapt=False)
    assert [each.payload.as_text() for each in driver.records()][1:] == ["hello"]
