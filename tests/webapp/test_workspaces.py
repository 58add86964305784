"""Workspaces: made, limited, suspended and removed by an operator, and by nobody else."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Response
from structlog.contextvars import get_contextvars

from chat4all.model.callers import OPERATOR, Caller
from chat4all.model.conversations import UserKind
from chat4all.services.access import tokens
from tests.webapp.driver import Driver

CLIENTS = {"root": ("operator",), "ops": ("admin",)}
PEOPLE = ("alice",)
PATH = "/v1/workspaces"


@pytest.fixture
def driver(gateway: Driver) -> Iterator[Driver]:
    gateway.parts.revocations._watch._every_s = 0.05
    yield gateway


def made(driver: Driver, workspace: str = "acme", **more: Any) -> str:
    """A workspace, whose administrator's token is kept under its name; the secret."""
    told = driver.ask("root", "POST", PATH, {"workspace_id": workspace, **more}, expect=201)
    driver.tokens[workspace] = logged_in(driver, workspace, told["client_secret"])["access_token"]
    return str(told["client_secret"])


def logged_in(driver: Driver, workspace: str, secret: str, expect: int = 200) -> Any:
    body = {"client_id": "admin", "client_secret": secret, "workspace": workspace}
    return driver.ask(None, "POST", "/auth/token", body, expect)


def test_a_new_workspace_has_somebody_who_goes_on_from_there(driver: Driver) -> None:
    """Users, clients and conversations of the same names are others; tokens are renewed in their workspace."""
    secret = made(driver, name="Acme & Sons")
    made(driver, "zeta")
    for each in ("acme", "zeta"):
        driver.ask(each, "POST", "/v1/users", {"user_id": "alice", "password": "correct horse"}, expect=201)
        driver.ask(each, "POST", "/v1/clients", {"name": "ops", "scopes": ["manage"]}, expect=201)
        assert driver.ask(each, "GET", "/v1/users/me")["user_id"] == "admin"
        assert [one["client_id"] for one in driver.ask(each, "GET", "/v1/clients")["clients"]] == ["admin", "ops"]
    assert [one["client_id"] for one in driver.ask("ops", "GET", "/v1/clients")["clients"]] == ["ops", "root"]
    pair = logged_in(driver, "acme", secret)
    again = driver.ask(None, "POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
    driver.tokens["renewed"] = again["access_token"]
    assert [one["client_id"] for one in driver.ask("renewed", "GET", "/v1/clients")["clients"]] == ["admin", "ops"]
    assert logged_in(driver, "zeta", secret, 401)["code"] == "bad_credentials"
    body = {"client_id": "acme/admin", "client_secret": secret}
    assert driver.refused(None, "POST", "/auth/token", body, 401) == ("bad_credentials", "")


@pytest.mark.parametrize("form", [{"grant_type": "client_credentials"}, {"grant_type": "password"}])
def test_an_oauth_form_names_the_workspace_too(driver: Driver, form: dict[str, str]) -> None:
    """As the JSON does."""
    secret = made(driver)
    who = {"username": "admin", "password": secret, "client_id": "admin", "client_secret": secret}
    answer = driver.client.post("/auth/token", data={**form, **who, "workspace": "acme"})
    assert answer.status_code == 200
    assert tokens.verify(answer.get_json()["access_token"], driver.parts.settings.secret("jwt")).workspace == "acme"


def test_a_login_form_asks_for_the_workspace_where_there_are_several(driver: Driver) -> None:
    """It is told so before anybody has logged in, and is told no names."""
    assert driver.ask(None, "GET", "/auth/form") == {"asks_workspace": False}
    made(driver)
    assert driver.ask(None, "GET", "/auth/form") == {"asks_workspace": True}


def test_operators_alone_may_make_workspaces(driver: Driver) -> None:
    """Not who may do everything in one, not even in `default`; and an operator reads nobody's conversations."""
    made(driver)
    for who in ("ops", "acme", "alice"):
        assert driver.refused(who, "POST", PATH, {"workspace_id": "other"}, 403)[0] == "scope_needed"
        assert driver.refused(who, "GET", f"{PATH}/acme", None, 403)[0] == "scope_needed"
    for who in ("ops", "acme"):
        body = {"name": "root2", "scopes": ["operator"]}
        assert driver.refused(who, "POST", "/v1/clients", body) == ("invalid", "scopes.0")
    assert driver.ask("root", "GET", "/v1/conversations")["conversations"] == []
    assert not Caller("x", UserKind.CLIENT, frozenset({OPERATOR}), workspace="acme").has(OPERATOR)


def test_a_suspended_workspace_is_refused_at_every_door_and_goes_on_afterwards(driver: Driver) -> None:
    """With a token, at login and at renewal: 403 that says why. Others notice nothing."""
    secret = made(driver)
    pair = logged_in(driver, "acme", secret)
    assert driver.ask("root", "POST", f"{PATH}/acme/suspend")["state"] == "suspended"
    assert driver.refused("acme", "GET", "/v1/users/me", None, 403)[0] == "workspace_suspended"
    assert logged_in(driver, "acme", secret, 403)["code"] == "workspace_suspended"
    renewal = {"refresh_token": pair["refresh_token"]}
    assert driver.refused(None, "POST", "/auth/refresh", renewal, 403)[0] == "workspace_suspended"
    assert driver.ask("alice", "GET", "/v1/users/me")["user_id"] == "alice"
    assert driver.ask("root", "POST", f"{PATH}/acme/resume")["state"] == "active"
    assert driver.ask("acme", "GET", "/v1/users/me")["user_id"] == "admin"
    driver.ask(None, "POST", "/auth/refresh", renewal)


def test_a_removed_workspace_never_comes_back_and_its_name_is_nobody_s(driver: Driver) -> None:
    """What was connected in it is gone, and nothing of it can be changed."""
    secret = made(driver)
    endpoint = driver.ask("acme", "POST", "/v1/webhooks", {"url": "https://hook.example/x"}, expect=201)["webhook_id"]
    given = {"app_secret": "s", "verify_token": "v"}
    app = driver.ask("acme", "POST", "/v1/apps", {"channel": "whatsapp", "credentials": given}, expect=201)["app_id"]
    assert driver.ask("root", "DELETE", f"{PATH}/acme")["state"] == "removed"
    assert driver.parts.store.app(app) is None
    assert driver.refused("acme", "GET", "/v1/users/me", None, 403)[0] == "workspace_removed"
    assert logged_in(driver, "acme", secret, 403)["code"] == "workspace_removed"
    for path in ("resume", "suspend", "rotate"):
        assert driver.refused("root", "POST", f"{PATH}/acme/{path}", None, 409)[0] == "workspace_removed"
    assert driver.refused("root", "POST", PATH, {"workspace_id": "acme"}, 409)[0] == "workspace_taken"
    kept = driver.parts.store.webhook(f"acme/{endpoint}")
    assert kept is not None
    assert kept.status == "deleted"


def test_default_is_always_there_and_as_it_is(driver: Driver) -> None:
    """It has no row, and nobody shuts it."""
    assert driver.ask("root", "GET", f"{PATH}/default")["state"] == "active"
    for path in ("suspend", "rotate"):
        assert driver.ask("root", "POST", f"{PATH}/default/{path}", expect=409)
    assert driver.ask("root", "DELETE", f"{PATH}/default", expect=409)["code"] == "default_workspace"
    assert driver.refused("root", "POST", PATH, {"workspace_id": "default"}) == ("invalid", "workspace_id")


def test_workspaces_are_listed_page_by_page_and_changed(driver: Driver) -> None:
    """By id; what is left out of a change stays."""
    for each in ("c", "a", "b"):
        made(driver, each, name=each.upper(), limits={"accounts": 1})
    first = driver.ask("root", "GET", f"{PATH}?limit=2")
    assert [each["workspace_id"] for each in first["workspaces"]] == ["a", "b"]
    rest = driver.ask("root", "GET", f"{PATH}?after={first['next']}")
    assert [each["workspace_id"] for each in rest["workspaces"]] == ["c"]
    assert "next" not in rest
    changed = driver.ask("root", "PATCH", f"{PATH}/b", {"limits": {"calls": 9}})
    assert (changed["name"], changed["limits"]) == ("B", {"accounts": 0, "calls": 9})
    assert driver.refused("root", "GET", f"{PATH}/nobody", None, 404)[0] == "unknown_workspace"


def test_the_operator_gives_a_new_secret_to_who_administers_a_workspace(driver: Driver) -> None:
    """The old one is void."""
    old = made(driver)
    new = driver.ask("root", "POST", f"{PATH}/acme/rotate")["client_secret"]
    assert logged_in(driver, "acme", old, 401)["code"] == "bad_credentials"
    assert logged_in(driver, "acme", new)["token_type"] == "Bearer"
    assert driver.refused("acme", "GET", "/v1/users/me", None, 401)[0] == "token_revoked"


def test_a_workspace_keeps_to_its_limits(driver: Driver) -> None:
    """All of its callers together, and nobody else with them."""
    made(driver, limits={"calls": 3})
    answers = [driver.call("acme", "GET", "/v1/users/me").status_code for _ in range(8)]
    assert 429 in answers
    assert [driver.call("alice", "GET", "/v1/users/me").status_code for _ in range(8)] == [200] * 8


def test_log_lines_say_the_workspace_and_forget_it_with_the_request(driver: Driver) -> None:
    """Who did something: the same name may be somebody in each."""
    said: list[Any] = []

    def look(response: Response) -> Response:
        said.append(get_contextvars().get("workspace"))
        return response

    driver.app.after_request(look)
    made(driver)
    said.clear()
    for who in ("acme", "ops", "alice"):
        driver.ask(who, "GET", "/v1/users/me")
    assert said == ["acme", None, None]
    assert "workspace" not in get_contextvars()
