"""Logins: renewed with rotation, ended in every way there is, and what that makes void."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from limits.storage import MemoryStorage

from chat4all.model.conversations import User, UserKind
from chat4all.model.sessions import LOST_ANSWER_MS
from chat4all.services.access import tokens
from chat4all.services.access.logins import Logins
from tests.golden.past import golden
from tests.webapp.channels import both
from tests.webapp.driver import PASSWORD, Driver
from webapp.app import create_app

IN_FORCE_S = 2.0


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start()
    driver.service("crm", "manage")
    driver.service("root", "admin")
    driver.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    return driver


@pytest.fixture
def another(gateway: Driver) -> Iterator[Driver]:
    """Another process of the same deployment, that has looked at what was revoked already."""
    driver = Driver(create_app(gateway.parts.settings, both(), MemoryStorage()))
    driver.tokens = gateway.tokens
    driver.ask("crm", "GET", "/v1/users/me")
    yield driver
    driver.close()


def log_in(driver: Driver, who: str = "dora", secret: str = PASSWORD) -> Any:
    """Tokens of a new login, and its access token as `who`'s."""
    told = driver.ask(None, "POST", "/auth/token", {"client_id": who, "client_secret": secret})
    driver.tokens[who] = told["access_token"]
    return told


def renew(driver: Driver, refresh_token: str, expect: int = 200) -> Any:
    return driver.ask(None, "POST", "/auth/refresh", {"refresh_token": refresh_token}, expect)


def works(driver: Driver, token: str) -> bool:
    driver.tokens["tried"] = token
    return driver.call("tried", "GET", "/v1/users/me").status_code == 200


def ends_elsewhere(driver: Driver, token: str) -> None:
    """Within two seconds another process refuses the token."""
    since = time.monotonic()
    while works(driver, token):
        assert time.monotonic() - since < IN_FORCE_S
        time.sleep(0.05)


def later(driver: Driver, ms: int) -> None:
    """For whoever renews a login it is so much later."""
    driver.parts.logins.clock = lambda: int(time.time() * 1000) + ms


def test_tokens_are_not_to_be_kept_by_anybody_between(gateway: Driver) -> None:
    """Cache-Control: no-store wherever a token or a secret is told."""
    body = {"client_id": "dora", "client_secret": PASSWORD}
    told = gateway.call(None, "POST", "/auth/token", body)
    assert told.headers["Cache-Control"] == "no-store"
    again = gateway.call(None, "POST", "/auth/refresh", {"refresh_token": told.get_json()["refresh_token"]})
    assert again.headers["Cache-Control"] == "no-store"
    made = gateway.call("root", "POST", "/v1/clients", {"name": "shop", "scopes": ["send"]})
    assert made.headers["Cache-Control"] == "no-store"


def test_a_refresh_token_is_good_once(gateway: Driver) -> None:
    """Each renewal gives another one; an old one that comes again later ends the login, whoever has its tokens."""
    first = log_in(gateway)
    second = renew(gateway, first["refresh_token"])
    third = renew(gateway, second["refresh_token"])
    assert len({each["refresh_token"] for each in (first, second, third)}) == 3
    assert works(gateway, third["access_token"])
    assert renew(gateway, first["refresh_token"], 401)["code"] == "token_reused"
    assert not works(gateway, third["access_token"])
    assert renew(gateway, third["refresh_token"], 401)["code"] == "token_revoked"
    log_in(gateway)


def test_a_renewal_whose_answer_was_lost_is_answered_again(gateway: Driver) -> None:
    """For a minute, as long as nobody used what it gave; both answers are the same renewal. After that it is reuse."""
    first = log_in(gateway)
    lost, got = (renew(gateway, first["refresh_token"]) for _ in range(2))
    later(gateway, LOST_ANSWER_MS - 1000)
    once_more = renew(gateway, first["refresh_token"])
    third = renew(gateway, got["refresh_token"])
    assert works(gateway, third["access_token"])
    assert renew(gateway, lost["refresh_token"])["access_token"]
    later(gateway, 2 * LOST_ANSWER_MS + 1000)
    assert renew(gateway, once_more["refresh_token"], 401)["code"] == "token_reused"


def test_a_renewal_that_was_not_asked_again_in_time_is_reuse(gateway: Driver) -> None:
    """A minute later the answer is not lost any more."""
    first = log_in(gateway)
    renew(gateway, first["refresh_token"])
    later(gateway, LOST_ANSWER_MS + 1000)
    assert renew(gateway, first["refresh_token"], 401)["code"] == "token_reused"


def test_many_who_renew_at_once_make_one_turn(gateway: Driver, another: Driver) -> None:
    """Threads of one client that share a token, at two processes: all go on, none is thrown out."""
    first = log_in(gateway)
    body = {"refresh_token": first["refresh_token"]}

    def ask(number: int) -> Any:
        app = (gateway, another)[number % 2].app
        return app.test_client().post("/auth/refresh", data=json.dumps(body), content_type="application/json")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert [each.status_code for each in answers] == [200] * 8
    turns = {gateway.parts.store.sessions("dora")[0].turn}
    assert turns == {1}
    for each in answers:
        assert works(gateway, each.get_json()["access_token"])


def test_logging_out_ends_the_login_everywhere(gateway: Driver, another: Driver) -> None:
    """Its access token, its renewal, on another process within two seconds; other logins go on."""
    mine, other = log_in(gateway), log_in(gateway)
    assert works(another, mine["access_token"])
    gateway.tokens["dora"] = mine["access_token"]
    gateway.ask("dora", "POST", "/auth/logout", expect=204)
    assert gateway.refused("dora", "GET", "/v1/users/me", expect=401)[0] == "token_revoked"
    ends_elsewhere(another, mine["access_token"])
    assert renew(another, mine["refresh_token"], 401)["code"] == "token_revoked"
    assert works(another, other["access_token"])
    renew(another, other["refresh_token"])


def test_logging_out_with_the_refresh_token_needs_no_other(gateway: Driver) -> None:
    """The access token may have expired by then. No token at all is refused."""
    mine = log_in(gateway)
    gateway.ask(None, "POST", "/auth/logout", {"refresh_token": mine["refresh_token"]}, 204)
    assert not works(gateway, mine["access_token"])
    assert gateway.refused(None, "POST", "/auth/logout", expect=401)[0] == "token_missing"
    assert gateway.refused(None, "POST", "/auth/logout", {"refresh_token": "x"}, 401)[0] == "token_invalid"


def change(driver: Driver) -> None:
    body = {"current_password": PASSWORD, "new_password": "another horse"}
    told = driver.ask("dora", "PUT", "/v1/users/me/password", body)
    assert works(driver, told["access_token"])
    renew(driver, told["refresh_token"])


def reset(driver: Driver) -> None:
    told = driver.ask("crm", "POST", "/v1/users/dora/reset-password", {})
    log_in(driver, "dora", told["password"])


def disable(driver: Driver) -> None:
    assert driver.ask("crm", "POST", "/v1/users/dora/disable")["disabled_at"]


def end_all(driver: Driver) -> None:
    driver.ask("dora", "DELETE", "/v1/users/dora/sessions", expect=204)


def end_one(driver: Driver) -> None:
    for each in driver.ask("dora", "GET", "/v1/users/dora/sessions")["sessions"]:
        driver.ask("crm", "DELETE", f"/v1/users/dora/sessions/{each['session_id']}", expect=204)


ENDINGS: list[Callable[[Driver], None]] = [change, reset, disable, end_all, end_one]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda each: each.__name__)
def test_what_ends_logins_ends_them_everywhere(gateway: Driver, another: Driver, ending: Callable[[Driver], None]) -> None:
    """Every token of before is void, also one of the last release, on another process within two seconds."""
    old = log_in(gateway)
    new = renew(gateway, old["refresh_token"])
    assert works(another, new["access_token"])
    ending(gateway)
    for each in (old, new):
        ends_elsewhere(another, each["access_token"])
        assert not works(gateway, each["access_token"])
    assert renew(another, new["refresh_token"], 401)["code"] == "token_revoked"


def test_a_changed_password_is_the_only_one(gateway: Driver) -> None:
    """The old one, or a wrong one given as the old one, does nothing."""
    log_in(gateway)
    body = {"current_password": "wrong", "new_password": "another horse"}
    assert gateway.refused("dora", "PUT", "/v1/users/me/password", body, 403) == ("wrong_password", "current_password")
    change(gateway)
    gateway.ask(None, "POST", "/auth/token", {"client_id": "dora", "client_secret": PASSWORD}, 401)
    log_in(gateway, "dora", "another horse")
    assert gateway.refused("crm", "PUT", "/v1/users/me/password", body, 403)[0] == "wrong_password"


def test_a_reset_takes_the_password_that_is_given(gateway: Driver) -> None:
    """And does not repeat it."""
    told = gateway.ask("crm", "POST", "/v1/users/dora/reset-password", {"password": "given by the desk"})
    assert told == {"user_id": "dora"}
    log_in(gateway, "dora", "given by the desk")


def test_a_disabled_user_comes_back_when_enabled(gateway: Driver) -> None:
    """Not before, and not with a login of before; that somebody is disabled is told to who knows the password only."""
    before = log_in(gateway)
    disable(gateway)
    body = {"client_id": "dora", "client_secret": PASSWORD}
    assert gateway.refused(None, "POST", "/auth/token", body, 403)[0] == "user_disabled"
    assert gateway.refused(None, "POST", "/auth/token", body | {"client_secret": "x"}, 401)[0] == "bad_credentials"
    assert "disabled_at" not in gateway.ask("crm", "POST", "/v1/users/dora/enable")
    assert renew(gateway, before["refresh_token"], 401)["code"] == "token_revoked"
    assert works(gateway, log_in(gateway)["access_token"])


def test_logins_are_listed_and_ended(gateway: Driver) -> None:
    """Those that go on, with what logged in; in pages; the one that asks is marked."""
    for agent in ("phone", "laptop", "tablet"):
        body = json.dumps({"client_id": "dora", "client_secret": PASSWORD})
        answer = gateway.client.post("/auth/token", data=body, headers={"User-Agent": agent})
        gateway.tokens["dora"] = answer.get_json()["access_token"]
    listed = gateway.ask("dora", "GET", "/v1/users/dora/sessions")["sessions"]
    assert sorted(each["user_agent"] for each in listed) == ["laptop", "phone", "tablet"]
    assert [each["user_agent"] for each in listed if each["current"]] == ["tablet"]
    page = gateway.ask("dora", "GET", "/v1/users/dora/sessions?limit=2")
    rest = gateway.ask("dora", "GET", f"/v1/users/dora/sessions?limit=2&after={page['next']}")
    assert page["sessions"] + rest["sessions"] == listed
    phone = next(each for each in listed if each["user_agent"] == "phone")["session_id"]
    gateway.ask("dora", "DELETE", f"/v1/users/dora/sessions/{phone}", expect=204)
    assert gateway.refused("dora", "DELETE", f"/v1/users/dora/sessions/{phone}", expect=404)[0] == "unknown_session"
    left = gateway.ask("crm", "GET", "/v1/users/dora/sessions")["sessions"]
    assert sorted(each["user_agent"] for each in left) == ["laptop", "tablet"]


def test_who_may_manage_whom(gateway: Driver) -> None:
    """Users themselves only; scope manage persons; service clients scope admin only; contacts have no logins."""
    gateway.people("eve")
    gateway.ask("crm", "POST", "/v1/users", {"user_id": "ana"}, 201)
    for path in ("reset-password", "disable", "enable"):
        body: dict[str, str] | None = {} if path == "reset-password" else None
        assert gateway.refused("eve", "POST", f"/v1/users/dora/{path}", body, 403)[0] == "scope_needed"
        assert gateway.refused("crm", "POST", f"/v1/users/nobody/{path}", body, 404)[0] == "unknown_user"
        assert gateway.refused("crm", "POST", f"/v1/users/ana/{path}", body, 404)[0] == "unknown_user"
        assert gateway.refused("crm", "POST", f"/v1/users/root/{path}", body, 403)[0] == "scope_needed"
    for method in ("GET", "DELETE"):
        assert gateway.refused("eve", method, "/v1/users/dora/sessions", expect=403)[0] == "scope_needed"
    assert gateway.refused("eve", "DELETE", "/v1/users/dora/sessions/x", expect=403)[0] == "scope_needed"
    gateway.ask("root", "POST", "/v1/users/crm/disable")
    assert gateway.refused("crm", "GET", "/v1/users/me", expect=401)[0] == "token_revoked"


def test_service_clients_are_made_listed_rotated_and_taken_away(gateway: Driver, another: Driver) -> None:
    """By scope admin only; a secret is told once; what is rotated or gone is void within two seconds."""
    for who in ("crm", "dora"):
        log_in(gateway) if who == "dora" else None
        assert gateway.refused(who, "GET", "/v1/clients", expect=403)[0] == "scope_needed"
    made = gateway.ask("root", "POST", "/v1/clients", {"name": "shop", "scopes": ["send"]}, 201)
    told = log_in(gateway, "shop", made["client_secret"])
    listed = gateway.ask("root", "GET", "/v1/clients")["clients"]
    assert {each["name"]: each["scopes"] for each in listed} == {"crm": ["manage"], "root": ["admin"], "shop": ["send"]}
    assert "client_secret" not in json.dumps(listed)
    assert next(each for each in listed if each["name"] == "shop")["last_used_at"]
    rotated = gateway.ask("root", "POST", "/v1/clients/shop/rotate")
    ends_elsewhere(another, told["access_token"])
    gateway.ask(None, "POST", "/auth/token", {"client_id": "shop", "client_secret": made["client_secret"]}, 401)
    told = log_in(gateway, "shop", rotated["client_secret"])
    gateway.ask("root", "DELETE", "/v1/clients/shop", expect=204)
    ends_elsewhere(another, told["access_token"])
    gateway.ask(None, "POST", "/auth/token", {"client_id": "shop", "client_secret": rotated["client_secret"]}, 401)
    assert [each["name"] for each in gateway.ask("root", "GET", "/v1/clients")["clients"]] == ["crm", "root"]
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        assert gateway.refused("root", method, f"/v1/clients/shop{path}", expect=404)[0] == "unknown_client"
        assert gateway.refused("root", method, f"/v1/clients/dora{path}", expect=404)[0] == "unknown_client"
    taken = {"name": "shop", "scopes": ["send"]}
    assert gateway.refused("root", "POST", "/v1/clients", taken, 409) == ("user_id_taken", "name")


def test_a_client_of_an_older_release_is_listed_when_it_has_logged_in(gateway: Driver) -> None:
    """Cassandra cannot find it before."""
    secret = gateway.service("old", "send")
    gateway.parts.store.let_go("", "client", ["old"])
    log_in(gateway, "old", secret)
    assert "old" in [each["name"] for each in gateway.ask("root", "GET", "/v1/clients")["clients"]]


def test_a_user_has_a_bounded_number_of_logins(gateway: Driver) -> None:
    """The one that was not used for longest gives way."""
    gateway.given(logins=Logins(gateway.parts.store, gateway.parts.settings, most=3))
    told = [log_in(gateway) for _ in range(3)]
    kept = renew(gateway, told[0]["refresh_token"])
    log_in(gateway)
    assert len(gateway.parts.store.sessions("dora")) == 3
    renew(gateway, kept["refresh_token"])
    renew(gateway, told[1]["refresh_token"], 401)


# Tokens of the last release.


@pytest.fixture
def past(start: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A deployment with the key and the people of then."""
    monkeypatch.setenv("CHAT4ALL_SECRET_JWT", golden("tokens.json")["key"])
    driver = start()
    driver.people("alice")
    driver.service("crm", "manage", "send")
    return driver


def of_then(kind: str) -> str:
    given = [each for each in golden("tokens.json")["tokens"] if (each["kind"], each["user_id"]) == (kind, "alice")]
    return str(given[0]["token"])


def test_a_login_of_then_goes_on_and_rotates_from_now_on(past: Driver) -> None:
    """Its access token is good, its refresh token once; again later it ends what came of it."""
    assert works(past, of_then("access"))
    renewed = renew(past, of_then("refresh"))
    assert works(past, renewed["access_token"])
    renew(past, renewed["refresh_token"])
    assert renew(past, of_then("refresh"), 401)["code"] == "token_reused"
    assert renew(past, of_then("refresh"), 401)["code"] == "token_revoked"
    assert works(past, of_then("access"))


def test_a_login_of_then_is_ended_like_any_other(past: Driver) -> None:
    """By logging out, and by what ends all of a user's."""
    past.ask(None, "POST", "/auth/logout", {"refresh_token": of_then("refresh")}, 204)
    renew(past, of_then("refresh"), 401)
    past.tokens["alice"] = of_then("access")
    past.ask("alice", "POST", "/auth/logout", expect=204)
    assert not works(past, of_then("access"))


def test_a_user_of_then_is_disabled(past: Driver) -> None:
    """Tokens without a generation are older than any."""
    past.ask("crm", "POST", "/v1/users/alice/disable")
    assert not works(past, of_then("access"))
    renew(past, of_then("refresh"), 401)


# What is no token.

ALICE = User("alice", UserKind.PERSON, 1)


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda claims: claims.pop(name)


def having(**odd: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda claims: claims.update(odd)


ODD_CLAIMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{f"without {name}": without(name) for name in sorted(tokens.CLAIMS)},
    "another issuer": having(iss="somebody"),
    "another audience": having(aud="others"),
    "a list as audience": having(aud=["chat4all"]),
    "a refresh token": having(type="refresh"),
    "no type": having(type=None),
    "not yet": having(nbf=2**40),
    "made in the future": having(iat=2**40),
    "endless": having(exp=float("inf")),
    "a word as exp": having(exp="soon"),
    "a number as sub": having(sub=5),
    "an unknown kind": having(kind="king"),
    "a list as kind": having(kind=["person"]),
    "a number as scopes": having(scopes=5),
    "a word as generation": having(gen="x"),
}


@pytest.mark.parametrize("odd", ODD_CLAIMS)
def test_a_token_that_does_not_say_all_is_no_token(past: Driver, odd: str) -> None:
    """Signed with the right key, but not as we sign: 401 for REST; gRPC and SSE have the same verifier."""
    key = golden("tokens.json")["key"]
    claims = jwt.decode(tokens.issue(ALICE, tokens.ACCESS, 60, key), options={"verify_signature": False})
    ODD_CLAIMS[odd](claims)
    past.tokens["odd"] = jwt.encode(claims, key, algorithm="HS256")
    assert past.refused("odd", "GET", "/v1/users/me", expect=401)[0] in ("token_invalid", "token_expired")


def test_an_old_token_may_lack_nothing_either(past: Driver) -> None:
    """Of the claims of then each is needed; one signed today without exp is none of then."""
    key = golden("tokens.json")["key"]
    for name in sorted(tokens.OLD_CLAIMS):
        claims = jwt.decode(of_then("access"), options={"verify_signature": False})
        del claims[name]
        past.tokens["odd"] = jwt.encode(claims, key, algorithm="HS256")
        assert past.refused("odd", "GET", "/v1/users/me", expect=401)[0] == "token_invalid"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        "Bearer a b",
        "Bearer " + "x" * 20_000,
        "Bearer é",
        "bearer ..",
        "Bearer " + "." * 5000,
    ],
)
def test_a_header_that_is_no_token_is_refused(past: Driver, header: str) -> None:
    """Whatever stands there: 401."""
    answer = past.call(None, "GET", "/v1/users/me", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_token_with_a_deeply_nested_head_is_refused(past: Driver) -> None:
    """What is read before the signature is checked is a stranger's too."""
    head = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
    answer = past.call(None, "GET", "/v1/users/me", headers={"Authorization": f"Bearer {head}.e30.x"})
    assert answer.status_code == 401


def test_logins_as_oauth_forms(gateway: Driver) -> None:
    """client_credentials in the form or in the header, password, and refresh_token, as libraries for OAuth 2.0 ask."""
    secret = gateway.service("shop", "send")

    def ask(expect: int = 200, headers: dict[str, str] | None = None, **form: str) -> Any:
        answer = gateway.client.post("/auth/token", data=form, headers=headers)
        assert answer.status_code == expect, answer.get_data(as_text=True)
        return answer.get_json()

    ask(grant_type="client_credentials", client_id="shop", client_secret=secret)
    told = ask(grant_type="password", username="dora", password=PASSWORD)
    assert works(gateway, ask(grant_type="refresh_token", refresh_token=told["refresh_token"])["access_token"])
    basic = base64.b64encode(f"shop:{secret}".encode()).decode()
    ask(headers={"Authorization": f"Basic {basic}"}, grant_type="client_credentials")
    ask(401, headers={"Authorization": "Basic %%%"}, grant_type="client_credentials")
    ask(401, grant_type="password", username="dora", password="wrong")
    assert ask(400, grant_type="implicit")["code"] == "unsupported_grant_type"
    ask(400)


class Written:
    """What the security log would say."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **said: Any) -> None:
        self.lines.append((event, said))


def test_refused_logins_are_in_the_security_log(gateway: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """With who was tried and from where; what was tried, and names that nobody has, are not: they may be passwords."""
    written = Written()
    for module in ("webapp.views.auth", "chat4all.services.access.logins"):
        monkeypatch.setattr(f"{module}.security", written)
    gateway.ask(None, "POST", "/auth/token", {"client_id": "dora", "client_secret": "hunter22222"}, 401)
    gateway.ask(None, "POST", "/auth/token", {"client_id": "my-own-password", "client_secret": "dora"}, 401)
    disable(gateway)
    assert [said for event, said in written.lines if event == "login_refused"] == [
        {"reason": "bad_credentials", "user_id": "dora", "network": "127.0.0.1"},
        {"reason": "bad_credentials", "user_id": "", "network": "127.0.0.1"},
    ]
    assert ("user_disabled", {"user_id": "dora", "by": "crm"}) in written.lines
    assert "hunter22222" not in str(written.lines)
    assert "my-own-password" not in str(written.lines)
