"""Users, tokens, and addresses that come to them."""

import re
import time
from collections.abc import Callable

import pytest

from chat4all.model.conversations import UserKind
from chat4all.model.ids import contact_id
from chat4all.services.access import tokens
from chat4all.services.access.credentials import check_secret, create_client
from tests.webapp.driver import PASSWORD, Driver

PEOPLE = ("alice", "bob")
CLIENTS = {"crm": ("manage",)}
CARLA = "+5511999990000"


def test_a_user_registers_logs_in_and_renews(gateway: Driver) -> None:
    """The way of a person from nothing to a second access token."""
    made = gateway.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD, "display_name": "Dora"}, 201)
    assert (made["user_id"], made["kind"], made["display_name"]) == ("dora", "person", "Dora")
    told = gateway.ask(None, "POST", "/auth/token", {"client_id": "dora", "client_secret": PASSWORD})
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
    again = gateway.ask(None, "POST", "/auth/refresh", {"refresh_token": told["refresh_token"]})
    gateway.tokens["dora"] = again["access_token"]
    assert gateway.ask("dora", "GET", "/v1/users/me")["user_id"] == "dora"


def test_a_password_is_kept_as_a_hash_only(gateway: Driver) -> None:
    """argon2id, and the password is not in it."""
    gateway.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    kept = gateway.parts.store.users(["dora"])["dora"]
    assert kept.password_hash.startswith("$argon2id$")
    assert PASSWORD not in kept.password_hash
    assert check_secret(kept, PASSWORD)
    assert not check_secret(kept, PASSWORD + " ")


@pytest.mark.parametrize("who", ["dora", "nobody", "alice", "inbox-whatsapp"])
def test_a_wrong_secret_and_an_unknown_user_are_told_the_same(gateway: Driver, who: str) -> None:
    """Nobody learns who exists, nor that somebody has no password."""
    gateway.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    body = {"client_id": who, "client_secret": "wrong"}
    assert gateway.refused(None, "POST", "/auth/token", body, 401) == ("bad_credentials", "")


WRONG = {
    "taken": ({"user_id": "alice", "password": PASSWORD}, 409, "user_id_taken", "user_id"),
    "a bad id": ({"user_id": "a b", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "a colon": ({"user_id": "whatsapp:1", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "dots": ({"user_id": "..", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "no letter": ({"user_id": "-_.", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "me": ({"user_id": "Me", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "an inbox": ({"user_id": "inbox-whatsapp", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "a contact": ({"user_id": "contact-1", "password": PASSWORD}, 422, "bad_user_id", "user_id"),
    "a short password": ({"user_id": "dora", "password": "short"}, 422, "invalid", "password"),
    "a contact without scope": ({"user_id": "dora"}, 403, "scope_needed", ""),
    "an unknown field": ({"user_id": "dora", "password": PASSWORD, "scopes": ["admin"]}, 422, "invalid", "scopes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_who_cannot_be_registered_is_refused(untouched: Driver, case: str) -> None:
    """Each with its code and field."""
    body, status, code, field = WRONG[case]
    assert untouched.refused(None, "POST", "/v1/users", body, status) == (code, field)


def test_registration_may_be_closed(start: Callable[..., Driver]) -> None:
    """Then only a service client registers people."""
    driver = start(open_registration=False)
    driver.service("crm", "manage")
    body = {"user_id": "dora", "password": PASSWORD}
    assert driver.refused(None, "POST", "/v1/users", body, 403)[0] == "scope_needed"
    driver.ask("crm", "POST", "/v1/users", body, 201)


def test_a_service_client_has_a_secret_and_scopes(gateway: Driver) -> None:
    """What `chat4all client create` does; unknown scopes are refused."""
    secret = create_client(gateway.parts.store, "shop", ["send"])
    told = gateway.ask(None, "POST", "/auth/token", {"client_id": "shop", "client_secret": secret})
    who = tokens.verify(told["access_token"], gateway.parts.settings.secret("jwt"))
    assert (who.user_id, who.kind, who.has("send"), who.has("manage")) == ("shop", UserKind.CLIENT, True, False)
    with pytest.raises(ValueError, match="unknown scope"):
        create_client(gateway.parts.store, "shop2", ["everything"])


def test_tokens_that_prove_nothing_are_refused(gateway: Driver) -> None:
    """None, broken, forged, expired, of the wrong kind: 401, with what a client needs to tell them apart."""
    alice = gateway.parts.store.users(["alice"])["alice"]
    secret = gateway.parts.settings.secret("jwt")
    assert gateway.refused(None, "GET", "/v1/users/me", expect=401)[0] == "token_missing"
    bad = {
        "broken": "token_invalid",
        tokens.issue(alice, tokens.ACCESS, 60, "x" * 64): "token_invalid",
        tokens.issue(alice, tokens.ACCESS, -1, secret): "token_expired",
        tokens.issue(alice, tokens.REFRESH, 60, secret): "token_invalid",
        tokens.issue(alice, tokens.ACCESS, 60, secret)[:-2]: "token_invalid",
    }
    for token, code in bad.items():
        gateway.tokens["bad"] = token
        assert gateway.refused("bad", "GET", "/v1/users/me", expect=401)[0] == code
    refresh = {"refresh_token": tokens.issue(alice, tokens.ACCESS, 60, secret)}
    assert gateway.refused(None, "POST", "/auth/refresh", refresh, 401)[0] == "token_invalid"


def test_a_remembered_token_expires_all_the_same(gateway: Driver) -> None:
    """The gateway does not check a signature twice, but it does look at the time."""
    gateway.tokens["alice"] = gateway.token(gateway.parts.store.users(["alice"])["alice"], life_s=2)
    gateway.ask("alice", "GET", "/v1/users/me")
    deadline = time.monotonic() + 10
    while gateway.call("alice", "GET", "/v1/users/me").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert gateway.refused("alice", "GET", "/v1/users/me", expect=401)[0] == "token_expired"


def test_a_service_client_gives_addresses_at_once(gateway: Driver) -> None:
    """Verified, in the channel's one way of writing, listed, and released again."""
    path = "/v1/users/alice/identities/whatsapp"
    told = gateway.ask("crm", "PUT", path, {"address": "+55 11 99999 0000"})
    assert (told["channel"], told["address"], told["verified"]) == ("whatsapp", CARLA, True)
    assert gateway.ask("crm", "PUT", path, {"address": CARLA}) == told
    assert gateway.ask("alice", "GET", path) == {"identities": [told]}
    assert gateway.ask("alice", "GET", "/v1/users/me")["identities"] == [told]
    assert gateway.ask("alice", "DELETE", f"{path}?address=%2B5511999990000") == {"identities": []}
    assert gateway.refused("alice", "DELETE", f"{path}?address=%2B5511999990000", expect=404)[0] == "unknown_identity"


def test_an_address_belongs_to_one_user(gateway: Driver) -> None:
    """Another's address is refused to service clients at once, to users who prove it; a contact's made by us gives way."""
    gateway.ask("crm", "PUT", "/v1/users/alice/identities/whatsapp", {"address": CARLA})
    path, body = "/v1/users/bob/identities/whatsapp", {"address": CARLA}
    assert gateway.refused("crm", "PUT", path, body, 409) == ("address_taken", "address")
    assert gateway.ask("bob", "PUT", path, body)["verified"] is False
    proof = body | {"code": code_sent(gateway)}
    assert gateway.refused("bob", "POST", f"{path}/verify", proof, 409) == ("address_taken", "address")
    gateway.writes("instagram", CARLA, "hi", "p1")
    gateway.ask("crm", "PUT", "/v1/users/bob/identities/instagram", {"address": CARLA})
    assert gateway.parts.store.owners([("instagram", CARLA)])["instagram", CARLA].user_id == "bob"


def test_identities_that_make_no_sense_are_refused(gateway: Driver) -> None:
    """Bad addresses, unknown channels and users, other people's."""
    cases = [
        ("alice", "alice", "whatsapp", "12", 422, "bad_address"),
        ("alice", "alice", "pigeon", CARLA, 404, "unknown_channel"),
        ("alice", "bob", "whatsapp", CARLA, 403, "scope_needed"),
        ("crm", "nobody", "whatsapp", CARLA, 404, "unknown_user"),
    ]
    for who, whom, channel, address, status, code in cases:
        path = f"/v1/users/{whom}/identities/{channel}"
        assert gateway.refused(who, "PUT", path, {"address": address}, status)[0] == code


def code_sent(driver: Driver) -> str:
    text = driver.records()[-1].payload.as_text()
    found = re.search(r"\d{6}", text)
    assert found
    return found[0]


def test_a_user_proves_an_address_with_the_code_sent_to_it(gateway: Driver) -> None:
    """Unverified until then: it receives nothing, and blocks nobody."""
    path = "/v1/users/alice/identities/whatsapp"
    told = gateway.ask("alice", "PUT", path, {"address": CARLA})
    assert told == {"channel": "whatsapp", "address": CARLA, "verified": False}
    [record] = gateway.records()
    assert [(each.user_id, each.address) for each in record.recipients] == [(contact_id("whatsapp", CARLA), CARLA)]
    code = code_sent(gateway)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert gateway.refused("alice", "POST", f"{path}/verify", {"address": CARLA, "code": wrong}) == ("wrong_code", "code")
    assert gateway.refused("bob", "POST", "/v1/users/bob/identities/whatsapp/verify", {"address": CARLA, "code": code}) == (
        "no_code", "code",
    )  # fmt: skip
    assert gateway.ask("alice", "POST", f"{path}/verify", {"address": CARLA, "code": code})["verified"]
    assert gateway.ask("alice", "PUT", path, {"address": CARLA})["verified"]
    assert gateway.refused("alice", "POST", f"{path}/verify", {"address": CARLA, "code": code})[0] == "no_code"
    assert gateway.writes("whatsapp", CARLA, "me", "p1").sender == "alice"


def test_a_code_cannot_be_guessed_nor_asked_for_all_the_time(gateway: Driver) -> None:
    """Five tries, then also the right code is wrong; a new one only after a pause."""
    path = "/v1/users/alice/identities/whatsapp"
    gateway.ask("alice", "PUT", path, {"address": CARLA})
    code = code_sent(gateway)
    for _ in range(5):
        assert gateway.refused("alice", "POST", f"{path}/verify", {"address": CARLA, "code": "x"})[0] == "wrong_code"
    assert gateway.refused("alice", "POST", f"{path}/verify", {"address": CARLA, "code": code})[0] == "no_code"
    assert gateway.refused("alice", "PUT", path, {"address": CARLA}, 429)[0] == "code_sent"


def test_callers_have_a_rate(start: Callable[..., Driver]) -> None:
    """Beyond it 429 with Retry-After, for this caller only."""
    driver = start(rate_limit="3/minute")
    driver.people("alice", "bob")
    for _ in range(3):
        driver.ask("alice", "GET", "/v1/users/me")
    answer = driver.call("alice", "GET", "/v1/users/me")
    assert (answer.status_code, answer.headers["Retry-After"], answer.json["code"]) == (429, "60", "rate_limited")  # type: ignore[index]
    driver.ask("bob", "GET", "/v1/users/me")


def test_logins_have_a_rate(start: Callable[..., Driver]) -> None:
    """Guessing one user's password stops soon; others still log in."""
    driver = start(login_limit="2/minute")
    body = {"client_id": "alice", "client_secret": "guess"}
    for _ in range(2):
        driver.ask(None, "POST", "/auth/token", body, 401)
    driver.ask(None, "POST", "/auth/token", body, 429)
    driver.ask(None, "POST", "/auth/token", body | {"client_id": "bob"}, 401)


def test_behind_a_proxy_everybody_has_logins_of_their_own(start: Callable[..., Driver]) -> None:
    """The last address in X-Forwarded-For is the proxy's word; what a caller wrote before it counts for nothing."""
    driver = start(login_limit="1/minute", proxies=1)
    body = {"client_id": "alice", "client_secret": "guessed"}

    def log_in(forwarded: str) -> int:
        return driver.call(None, "POST", "/auth/token", body, headers={"X-Forwarded-For": forwarded}).status_code

    assert [log_in("203.0.113.5"), log_in("1.2.3.4, 203.0.113.5"), log_in("203.0.113.6")] == [401, 429, 401]


def test_without_a_proxy_nobody_is_believed(start: Callable[..., Driver]) -> None:
    """Else a guesser would write another address each time."""
    driver = start(login_limit="1/minute")
    body = {"client_id": "alice", "client_secret": "guessed"}
    answers = [
        driver.call(None, "POST", "/auth/token", body, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in (5, 6)
    ]
    assert answers == [401, 429]


@pytest.mark.parametrize("name", ["Bank\nhttps://evil.example", "\u202eabc", "a\x00", "www.evil.example"])
def test_a_name_that_is_no_name_is_refused(gateway: Driver, name: str) -> None:
    """It would stand in front of words that go to others."""
    body = {"user_id": "mallory", "password": PASSWORD, "display_name": name}
    assert gateway.refused(None, "POST", "/v1/users", body) == ("bad_name", "display_name")


@pytest.mark.parametrize(("first", "second"), [("Zoe", "zoe"), ("zoe", "ZOE"), ("ZoE", "zOe")])
def test_ids_that_look_alike_are_one_persons(gateway: Driver, first: str, second: str) -> None:
    """Upper and lower case do not make another id; nor may anybody look like one of ours."""
    body = {"password": PASSWORD}
    gateway.ask(None, "POST", "/v1/users", body | {"user_id": first}, 201)
    assert gateway.refused(None, "POST", "/v1/users", body | {"user_id": second}, 409)[0] == "user_id_taken"
    assert gateway.refused(None, "POST", "/v1/users", body | {"user_id": "Contact-1"})[0] == "bad_user_id"
    gateway.tokens[first] = gateway.token(gateway.parts.store.users([first])[first])
    assert "identities" not in gateway.ask(first, "GET", "/v1/users/me")
