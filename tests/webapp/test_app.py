"""The application around the calls: health, documents, metrics, errors."""

import json
from typing import Any

import pytest

from chat4all.model.failures import Temporary
from tests.webapp.driver import Driver


class Logged(list[str]):
    """Stands in for a module's logger: keeps what would be written."""

    def __getattr__(self, level: str) -> Any:
        return lambda event, **details: self.append(f"{level} {event} {details!r}")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    lines = Logged()
    for module in ("webapp.requests.problems", "chat4all.services.inbound.webhooks", "webapp.views.members"):
        monkeypatch.setattr(f"{module}.log", lines)
    return lines


def test_health_and_readiness(gateway: Driver) -> None:
    """The process answers; it is ready while log and store do."""
    assert gateway.ask(None, "GET", "/healthz") == {"status": "ok"}
    assert gateway.ask(None, "GET", "/readyz") == {"status": "ok"}
    gateway.faults.fail("check", Temporary("store_down"))
    assert gateway.refused(None, "GET", "/readyz", expect=503)[0] == "unavailable"
    assert gateway.ask(None, "GET", "/healthz") == {"status": "ok"}


def test_unknown_paths_and_methods_are_problems(gateway: Driver) -> None:
    """Also what no view of ours answers is problem+json with a code."""
    assert gateway.refused(None, "GET", "/v1/nothing", expect=404)[0] == "not_found"
    answer = gateway.call(None, "PATCH", "/v1/messages")
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]


def test_an_internal_error_shows_nothing_of_the_inside(gateway: Driver, logged: Logged) -> None:
    """The caller gets an id, under which the log has the rest."""
    gateway.people("alice")
    gateway.faults.fail("conversation_page", RuntimeError("the inside"))
    problem = gateway.ask("alice", "GET", "/v1/conversations", expect=500)
    assert (problem["code"], problem["title"]) == ("internal", "Internal error")
    assert "inside" not in json.dumps(problem)
    assert problem["error_id"] in logged[0]
    assert "the inside" in logged[0]


def test_what_people_say_is_not_in_the_logs(gateway: Driver, logged: Logged) -> None:
    """Neither texts nor addresses, also when things go wrong."""
    gateway.people("alice", "bob")
    gateway.send("alice", "very private words", to=["bob"])
    gateway.webhook("whatsapp", {"type": "inbound", "address": "+5511999990000", "text": "more words", "provider_id": "1"})
    gateway.webhook(
        "whatsapp", {"type": "inbound", "address": "+5511999990000", "text": "x", "provider_id": "2", "account": "o"}
    )
    said = "".join(logged)
    assert "words" not in said
    assert "5511999990000" not in said
    assert "update_unclaimed" in said


def test_the_api_describes_itself(gateway: Driver) -> None:
    """OpenAPI 3.1 at /openapi.json, Swagger UI at /docs."""
    document = gateway.ask(None, "GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert "/v1/messages:batch" in document["paths"]
    assert gateway.client.get("/docs", follow_redirects=True).status_code == 200
    assert b"swagger" in gateway.client.get("/docs/swagger").data.lower()


def test_requests_are_counted_by_route(gateway: Driver) -> None:
    """Ids in paths make no series of their own."""
    gateway.people("alice")
    gateway.ask("alice", "GET", "/v1/conversations/00000000-0000-4000-8000-000000000000", expect=404)
    text = gateway.client.get("/metrics").get_data(as_text=True)
    assert 'url_rule="/v1/conversations/<conversation_id>"' in text
    assert "00000000-0000-4000" not in text
