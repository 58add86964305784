"""The console's session in cookies, what it is admitted by, and the page's files."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from chat4all.model.event_types import TYPES
from chat4all.root import ROOT
from chat4all.services.access import tokens
from tests.webapp.driver import PASSWORD, Driver
from webapp.views.console import FILES, FOLDER

HERE = "http://localhost"
ELSEWHERE = {"https://evil.example", "http://localhost:81", "http://localhost.evil.example", "null", "", "http://sub.localhost"}


class Page:
    """A browser that has logged in on a page of the gateway."""

    def __init__(self, driver: Driver, base: str = HERE) -> None:
        self.client: Client = driver.app.test_client()
        self.base = base
        self.told: Any = None

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        data = None if body is None else json.dumps(body)
        return self.client.open(path, method=method, base_url=self.base, data=data, headers=headers)

    def log_in(self, who: str = "dora", secret: str = PASSWORD, **headers: str) -> TestResponse:
        answer = self.ask(
            "POST", "/auth/session", {"client_id": who, "client_secret": secret}, **({"Origin": self.base} | headers)
        )
        self.told = answer.get_json()
        return answer

    @property
    def csrf(self) -> str:
        return str(self.told["csrf_token"])

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """As the page's script calls."""
        return self.ask(
            method, path, body, **({"Origin": self.base, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf} | headers)
        )

    def cookie(self, name: str) -> Any:
        path = "/" if "access" in name else "/auth/session"
        return self.client.get_cookie(name, domain=re.sub(r"https?://|:\d+", "", self.base), path=path)


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start()
    driver.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    driver.service("crm", "manage")
    return driver


@pytest.fixture
def page(gateway: Driver) -> Page:
    opened = Page(gateway)
    assert opened.log_in().status_code == 200
    return opened


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, (answer.get_json() or {}).get("code", "")


def test_a_session_is_in_cookies_and_no_answer_has_a_token(page: Page) -> None:
    """Whoever runs a script in the page finds no token: neither in an answer, nor in a cookie that scripts see."""
    assert "eyJ" not in json.dumps(page.told)
    assert page.told["user"]["user_id"] == "dora"
    assert page.call("GET", "/v1/users/me").get_json()["user_id"] == "dora"
    renewed = page.call("POST", "/auth/session/renew")
    assert (renewed.status_code, renewed.headers["Cache-Control"]) == (200, "no-store")
    assert "eyJ" not in renewed.get_data(as_text=True)
    changed = page.call("PUT", "/v1/users/me/password", {"current_password": PASSWORD, "new_password": "another horse"})
    assert (changed.status_code, changed.data) == (204, b"")
    page.told = page.call("GET", "/auth/session").get_json()
    assert page.call("GET", "/v1/users/me").status_code == 200


@pytest.mark.parametrize(
    ("base", "names", "is_secure"),
    [
        (HERE, ("chat4all-access-80", "chat4all-renewal-80"), False),
        ("http://127.0.0.1:8000", ("chat4all-access-8000", "chat4all-renewal-8000"), False),
        ("http://[::1]:8000", ("chat4all-access-8000", "chat4all-renewal-8000"), False),
        ("https://chat.example", ("__Host-chat4all-access", "__Secure-chat4all-renewal"), True),
        ("http://chat.example", ("__Host-chat4all-access", "__Secure-chat4all-renewal"), True),
        ("http://localhost.example", ("__Host-chat4all-access", "__Secure-chat4all-renewal"), True),
    ],
)
def test_the_flags_of_the_cookies(gateway: Driver, base: str, names: tuple[str, str], is_secure: bool) -> None:
    """HttpOnly and SameSite=Strict always; Secure everywhere but on this machine; renewals go to their own calls only."""
    set_cookies = Page(gateway, base).log_in().headers.getlist("Set-Cookie")
    for text, name, path in zip(set_cookies, names, ("/", "/auth/session"), strict=True):
        flags = text.split("; ")
        assert flags[0].startswith(f"{name}=eyJ")
        assert {"HttpOnly", "SameSite=Strict", f"Path={path}"} <= set(flags)
        assert ("Secure" in flags) == is_secure
        assert not [each for each in flags if each.startswith("Domain")]


WRONG: dict[str, dict[str, str]] = {
    "no CSRF token": {"X-CSRF-Token": ""},
    "another CSRF token": {"X-CSRF-Token": "x" * 43},
    "one that is no text of ours": {"X-CSRF-Token": "é"},
    **{f"origin {each!r}": {"Origin": each} for each in sorted(ELSEWHERE)},
    "another site, as the browser says": {"Sec-Fetch-Site": "cross-site"},
    "another host of this site": {"Sec-Fetch-Site": "same-site"},
}


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/users/me", None),
        ("GET", "/v1/conversations", None),
        ("POST", "/v1/messages", {"to": ["dora"], "payload": {"type": "text", "text": "x"}}),
        ("PUT", "/v1/users/me/password", {"current_password": PASSWORD, "new_password": "another horse"}),
        ("DELETE", "/v1/users/me/sessions", None),
        ("POST", "/auth/logout", None),
        ("DELETE", "/auth/session", None),
    ],
)
def test_a_cookie_counts_only_where_csrf_is_checked(page: Page, how: str, method: str, path: str, body: Any) -> None:
    """Whatever another site makes this browser ask is refused, reading and writing alike; and the session goes on."""
    assert code(page.call(method, path, body, **WRONG[how])) == (403, "csrf_failed")
    assert page.call("GET", "/v1/users/me").status_code == 200


def test_the_csrf_token_of_another_login_is_none(gateway: Driver, page: Page) -> None:
    """Not even that of the same user's other login; and it proves nothing without a cookie."""
    other = Page(gateway)
    other.log_in()
    assert other.csrf != page.csrf
    assert code(page.call("GET", "/v1/users/me", **{"X-CSRF-Token": other.csrf})) == (403, "csrf_failed")
    nobody = Page(gateway)
    nobody.told = page.told
    assert code(nobody.call("GET", "/v1/users/me")) == (401, "token_missing")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/auth/session", {"client_id": "dora", "client_secret": PASSWORD}, {"Origin": each})
        for each in sorted(ELSEWHERE)
    ]
    + [
        ("POST", "/auth/session", {"client_id": "dora", "client_secret": PASSWORD}, {}),
        ("POST", "/auth/session", {"client_id": "dora", "client_secret": PASSWORD}, {"Sec-Fetch-Site": "cross-site"}),
        ("POST", "/auth/session/renew", None, {}),
        ("POST", "/auth/session/renew", None, {"Origin": "https://evil.example"}),
        ("POST", "/auth/session/renew", None, {"Origin": HERE, "Sec-Fetch-Site": "same-site"}),
        ("GET", "/auth/session", None, {"Sec-Fetch-Site": "cross-site"}),
        ("GET", "/auth/session", None, {"Origin": "https://evil.example"}),
    ],
)
def test_only_a_page_of_this_address_logs_in_and_renews(
    page: Page, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    """Else another site could log its visitor in under its own name, or turn a session over behind its owner's back."""
    answer = page.ask(method, path, body, **headers)
    assert code(answer) == (403, "csrf_failed")
    assert not answer.headers.getlist("Set-Cookie")


def test_bearer_tokens_work_as_ever(gateway: Driver, page: Page) -> None:
    """A header is taken before a cookie, from whatever page, and needs no CSRF token: no browser sends one by itself."""
    told = gateway.ask(None, "POST", "/auth/token", {"client_id": "dora", "client_secret": PASSWORD})
    bearer = {"Authorization": f"Bearer {told['access_token']}", "Origin": "https://app.example.com"}
    assert page.ask("GET", "/v1/users/me", None, **bearer).status_code == 200
    assert code(page.ask("GET", "/v1/users/me", None, Authorization="Bearer nonsense")) == (401, "token_invalid")


def test_a_cookie_is_nothing_but_the_token_in_it(gateway: Driver, page: Page) -> None:
    """A refresh token, one that ran out, and one that somebody else signed are refused in a cookie as in a header."""
    user = gateway.parts.store.users(["dora"])["dora"]
    secret = gateway.parts.settings.secret("jwt")
    name = "chat4all-access-80"
    for token, why in [
        (tokens.issue(user, tokens.REFRESH, 60, secret, "s"), "token_invalid"),
        (tokens.issue(user, tokens.ACCESS, -60, secret, "s"), "token_expired"),
        (tokens.issue(user, tokens.ACCESS, 60, "x" * 48, "s"), "token_invalid"),
        ("nonsense", "token_invalid"),
    ]:
        page.client.set_cookie(name, token, domain="localhost")
        assert code(page.call("GET", "/v1/users/me")) == (401, why)
        assert code(page.call("GET", "/auth/session")) == (401, why)


def test_a_session_that_ran_out_is_renewed(gateway: Driver, page: Page) -> None:
    """With the cookie that only that call gets; the CSRF token stays, so that other tabs go on."""
    page.client.delete_cookie("chat4all-access-80", domain="localhost", path="/")
    assert code(page.call("GET", "/v1/users/me")) == (401, "token_missing")
    renewed = page.call("POST", "/auth/session/renew").get_json()
    assert renewed["csrf_token"] == page.csrf
    assert page.call("GET", "/v1/users/me").status_code == 200


def test_logging_out_ends_it_everywhere(gateway: Driver, page: Page) -> None:
    """The cookies are dropped, and whoever kept them has nothing: neither access nor renewal."""
    kept = {each: page.cookie(each).value for each in ("chat4all-access-80", "chat4all-renewal-80")}
    answer = page.call("DELETE", "/auth/session")
    assert answer.status_code == 204
    assert [each for each in answer.headers.getlist("Set-Cookie") if "Max-Age=0" not in each] == []
    page.client.set_cookie("chat4all-access-80", kept["chat4all-access-80"], domain="localhost")
    page.client.set_cookie("chat4all-renewal-80", kept["chat4all-renewal-80"], domain="localhost", path="/auth/session")
    assert code(page.call("GET", "/v1/users/me")) == (401, "token_revoked")
    refused = page.call("POST", "/auth/session/renew")
    assert code(refused) == (401, "token_revoked")
    assert len(refused.headers.getlist("Set-Cookie")) == 2


def test_whatever_ends_a_login_ends_a_page_s_too(gateway: Driver, page: Page) -> None:
    """Somebody who is disabled is out of the console at once."""
    gateway.ask("crm", "POST", "/v1/users/dora/disable")
    assert code(page.call("GET", "/v1/users/me")) == (401, "token_revoked")
    assert code(page.call("POST", "/auth/session/renew"))[0] == 401
    assert code(page.log_in()) == (403, "user_disabled")


def test_wrong_passwords_are_refused_and_counted(start: Callable[..., Driver]) -> None:
    """By the limits that every login has."""
    driver = start(login_failure_limit="3/minute")
    tried = Page(driver)
    assert [code(tried.log_in("dora", "wrong"))[1] for _ in range(4)] == ["bad_credentials"] * 3 + ["rate_limited"]


def test_where_the_page_finds_its_stream(start: Callable[..., Driver]) -> None:
    """At the stream server's own port where the gateway is asked at its own, else at the one address in front of both."""
    driver = start(gateway_port=8123, events_port=8124)
    driver.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    for base, url in [
        ("http://127.0.0.1:8123", "http://127.0.0.1:8124/v1/events"),
        ("http://localhost:8123", "http://localhost:8124/v1/events"),
        ("https://chat.example", "/v1/events"),
    ]:
        assert Page(driver, base).log_in().get_json()["events_url"] == url


# The page's files.


def test_the_page_may_load_nothing_but_itself(start: Callable[..., Driver]) -> None:
    """Its policy names its own address, and those of the stream and of files; nothing inline, no markup made by scripts."""
    driver = start(gateway_port=8123, events_port=8124, objects_port=8125)
    answer = driver.client.get("/console", base_url="http://127.0.0.1:8123")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "*" not in policy and "data:" not in policy
    assert dict(each.strip().split(" ", 1) for each in policy.split(";")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: http://127.0.0.1:8125",
        "media-src": "'self' blob: http://127.0.0.1:8125",
        "connect-src": "'self' http://127.0.0.1:8124",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert (answer.headers["X-Content-Type-Options"], answer.headers["X-Frame-Options"]) == ("nosniff", "DENY")


@pytest.mark.parametrize("host", ["a; script-src *", "evil.example;x", "127.0.0.1:8000; img-src *", "x'y", "[::1", "a b"])
def test_no_host_writes_into_the_policy(gateway: Driver, host: str) -> None:
    """Whatever a request says that it asked for."""
    answer = gateway.client.get("/console", headers={"Host": host})
    assert answer.status_code in (200, 400)
    assert "*" not in answer.headers.get("Content-Security-Policy", "")


def test_files_are_served_by_their_names_only(gateway: Driver) -> None:
    """With the type that their name says and an ETag; whatever else is asked for is not there."""
    for name in FILES:
        answer = gateway.client.get(f"/console/{name}")
        assert (answer.status_code, answer.data) == (200, (FOLDER / name).read_bytes())
        again = gateway.client.get(f"/console/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    assert gateway.client.get("/console/main.js").mimetype == "text/javascript"
    for name in ("nothing.js", "../app.py", "%2e%2e/app.py", "..%2fapp.py", "texts", "//etc/passwd", "texts/../main.js"):
        assert gateway.client.get(f"/console/{name}").status_code in (404, 308, 200 if name.endswith("main.js") else 404)


def test_nothing_is_written_into_the_page_itself() -> None:
    """No script and no style inline, no handler in an attribute, and no way for text to become markup."""
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|style=|javascript:|https?://", page)
    for path in FOLDER.rglob("*.js"):
        text = path.read_text()
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage\.setItem\([^K]|style:",
            text,
        )
        assert found == [], path


def test_both_languages_say_everything() -> None:
    """The catalogues have the same keys and the same places, and each key that the code names is there."""
    english, portuguese = (json.loads((FOLDER / "texts" / f"{each}.json").read_text()) for each in ("en", "pt-BR"))
    assert english.keys() == portuguese.keys()
    places = re.compile(r"\{(\w+)\}")
    assert {key for key in english if set(places.findall(english[key])) != set(places.findall(portuguese[key]))} == set()
    used = {key for path in FOLDER.rglob("*.js") for key in re.findall(r"\bt\(\"([^\"$]+)\"", path.read_text())}
    assert used - english.keys() == set()
    assert len(used) > 80


def test_an_endpoint_can_ask_for_every_type_of_event() -> None:
    """The form of a webhook offers the types that there are."""
    text = (FOLDER / "parts" / "endpoint-form.js").read_text()
    offered = re.search(r"EVENTS = \[(.*?)\]", text, re.DOTALL)
    assert offered
    assert tuple(re.findall(r'"([^"]+)"', offered[1])) == TYPES


def test_whatever_a_check_finds_is_said_in_both_languages() -> None:
    """Every code of a finding has words and a way to mend it, and stands at one of the steps or beside them."""
    sources = [
        path.read_text() for place in ("channels", "services/accounts") for path in (ROOT / "chat4all" / place).glob("*.py")
    ]
    codes = {code for text in sources for code in re.findall(r"Finding\(\s*\"(\w+)\"", text)}
    english = json.loads((FOLDER / "texts" / "en.json").read_text())
    assert len(codes) > 10
    assert {each for code in codes for each in (f"finding.{code}", f"finding.{code}.do")} - english.keys() == set()
    steps = (FOLDER / "parts" / "account.js").read_text().partition("LOOKED_AT = {")[2].partition("};")[0]
    assert codes - set(re.findall(r'"(\w+)"', steps)) == {"unreachable"}
