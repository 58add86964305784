"""Tickets that open a stream where no header can be sent: who gets one, what it says, and that nothing else takes it."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from chat4all.model.clock import from_rfc3339
from chat4all.model.conversations import User, UserKind
from chat4all.services.access import tokens
from tests.webapp.driver import PASSWORD, Driver

ALICE = User("alice", UserKind.PERSON, 1, "Alice")


def claims(ticket: str) -> dict[str, Any]:
    """What it says, whoever reads it."""
    return dict(jwt.decode(ticket, options={"verify_signature": False}))


def test_a_ticket_says_what_its_token_says(gateway: Driver) -> None:
    """Subject, kind, scopes, session and generation; to be used within a minute; and when its streams end: with the token."""
    secret = gateway.parts.settings.secret("jwt")
    client = User("crm", UserKind.CLIENT, 1, scopes=("send", "manage"))
    gateway.tokens["crm"] = tokens.issue(client, tokens.ACCESS, 600, secret, "the-session", 7)
    parent = tokens.read(gateway.tokens["crm"], secret)
    answer = gateway.call("crm", "POST", "/v1/stream-tickets")
    told = json.loads(answer.data)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert tokens.read(told["ticket"], secret, tokens.TICKET) == parent
    left = claims(told["ticket"])["exp"] - time.time()
    assert tokens.TICKET_S - 5 < left <= tokens.TICKET_S
    assert from_rfc3339(told["expires_at"]) == claims(told["ticket"])["exp"] * 1000


def test_no_ticket_outlives_its_token(gateway: Driver) -> None:
    """Of a token that ends in five seconds there is a ticket of five seconds."""
    gateway.tokens["alice"] = gateway.token(ALICE, life_s=5)
    ticket = gateway.ask("alice", "POST", "/v1/stream-tickets")["ticket"]
    assert claims(ticket)["exp"] == claims(gateway.tokens["alice"])["exp"]


def test_a_ticket_is_its_callers(gateway: Driver) -> None:
    """Nobody gets one for somebody else, whatever they say."""
    gateway.people("alice")
    for path, body in (("", {"user_id": "bob"}), ("?user_id=bob", None)):
        told = gateway.ask("alice", "POST", f"/v1/stream-tickets{path}", body)
        assert claims(told["ticket"])["sub"] == "alice"


def test_without_a_good_token_there_is_no_ticket(gateway: Driver) -> None:
    """Neither without one, nor for one that ran out, nor for one that was revoked."""
    gateway.people("alice")
    gateway.service("root", "manage")
    gateway.tokens["late"] = gateway.token(ALICE, life_s=-1)
    assert gateway.refused(None, "POST", "/v1/stream-tickets", expect=401)[0] == "token_missing"
    assert gateway.refused("late", "POST", "/v1/stream-tickets", expect=401)[0] == "token_expired"
    gateway.ask("root", "POST", "/v1/users/alice/disable")
    assert gateway.refused("alice", "POST", "/v1/stream-tickets", expect=401)[0] == "token_revoked"


def test_the_whole_api_refuses_tickets(gateway: Driver) -> None:
    """Every call that needs a token, under each way to bring a ticket: as a token, in the URL, and as a refresh token."""
    gateway.people("alice")
    ticket = gateway.ask("alice", "POST", "/v1/stream-tickets")["ticket"]
    gateway.tokens["ticket"] = ticket
    asked = 0
    for path, calls in gateway.ask(None, "GET", "/openapi.json")["paths"].items():
        for method, call in calls.items():
            # Left out: calls that need no token, and streams, which another process serves.
            if method == "servers" or call.get("security") != [{"bearer": []}]:
                continue
            asked += 1
            place = path.replace("{", "").replace("}", "")
            assert gateway.refused("ticket", method.upper(), place, {}, 401)[0] == "token_invalid", (method, path)
            assert gateway.refused(None, method.upper(), f"{place}?ticket={ticket}", {}, 401)[0] == "token_missing"
    assert asked > 30
    for path in ("/auth/refresh", "/auth/logout"):
        assert gateway.refused(None, "POST", path, {"refresh_token": ticket}, 401)[0] == "token_invalid"
    assert gateway.refused("ticket", "POST", "/auth/logout", expect=401)[0] == "token_invalid"
    form = {"grant_type": "refresh_token", "refresh_token": ticket}
    assert gateway.client.post("/auth/token", data=form).status_code == 401


def test_no_other_token_is_a_ticket(gateway: Driver) -> None:
    """Access and refresh tokens prove nothing where a ticket is needed, nor does a ticket of another key."""
    gateway.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    told = gateway.ask(None, "POST", "/auth/token", {"client_id": "dora", "client_secret": PASSWORD})
    secret = gateway.parts.settings.secret("jwt")
    good = tokens.read(told["access_token"], secret)
    forged = tokens.issue_ticket(good.caller, good.expires_at, "x" * 32)[0]
    for each in (told["access_token"], told["refresh_token"], forged, ""):
        with pytest.raises(tokens.BadToken):
            tokens.read(each, secret, tokens.TICKET)


def test_pages_of_the_origins_named_may_ask_for_tickets(start: Callable[..., Driver]) -> None:
    """A browser asks first; then the page reads its ticket."""
    gateway = start(cors_origins="https://app.example.com")
    gateway.people("alice")
    asked = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    allowed = gateway.client.options("/v1/stream-tickets", headers=asked).headers
    assert "POST" in allowed["Access-Control-Allow-Methods"]
    assert "Authorization" in allowed["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in allowed
    told = gateway.call("alice", "POST", "/v1/stream-tickets", headers={"Origin": "https://app.example.com"})
    assert told.headers["Access-Control-Allow-Origin"] == "https://app.example.com"


def test_the_gateway_says_no_ticket_in_its_log(gateway: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """Neither one that it made, nor one that came to the wrong place, nor a refusal of it."""
    gateway.people("alice")
    with caplog.at_level(logging.DEBUG):
        ticket = gateway.ask("alice", "POST", "/v1/stream-tickets")["ticket"]
        gateway.tokens["ticket"] = ticket
        for who, path in (("ticket", "/v1/users/me"), (None, f"/v1/users/me?ticket={ticket}"), (None, f"/no?ticket={ticket}")):
            assert ticket not in gateway.call(who, "GET", path).get_data(as_text=True)
    assert ticket not in caplog.text
