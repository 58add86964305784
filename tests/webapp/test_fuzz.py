"""Whatever a caller sends, the answer is no 5xx: bodies, headers, queries and paths of every route, by anybody."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits.storage import MemoryStorage

from chat4all.settings import Settings
from tests.webapp.channels import SIGNATURE, both
from tests.webapp.driver import Driver
from webapp.app import create_app

EXAMPLES = settings(max_examples=400, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
RATES = dict.fromkeys(
    ("login_limit", "login_failure_limit", "registration_limit", "group_limit", "code_limit", "code_network_limit"),
    "99999/hour",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW")
# What has gone wrong in other places: nesting, surrogates, huge and odd numbers, NUL, odd text, other encodings, keys twice.
DEEP = 3000
ODD_BODIES = (
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"[" * 100_000,
    b'{"payload":' * 200 + b"1" + b"}" * 200,
    b'"\\ud800"',
    b'{"client_id": "\\ud800", "client_secret": "\\udfff"}',
    b'{"client_id": "a\\u0000b", "client_secret": "x"}',
    b'{"client_id": "a", "client_id": "b"}',
    b"\xff\xfe{\x00}\x00",
    b"\x00",
    '{"x": "é"}'.encode("latin-1"),
    b"1" * 5000,
    b'{"size": ' + b"9" * 400 + b"}",
)
WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["me", "alice", "whatsapp", "0", "-1", "9" * 30, "..", "%", "\x00", "a\nb", "\u202e", "x" * 5000, "é", "{}"]
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), WORDS)
VALUES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)))
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Authorization", "Content-Type", "Content-Length", "Origin", "Range", "If-Match", "Idempotency-Key", "traceparent",
         "X-Signature",
         "X-Forwarded-For", "Accept", "Cookie", "Host", "Transfer-Encoding", "Content-Encoding", "User-Agent", "Expect"]
    ),
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
        st.sampled_from(["application/json", "multipart/form-data", "multipart/form-data; boundary=",
                         "bytes=9-1", "Bearer x.y.z", "-1",
                         "application/x-www-form-urlencoded", "text/plain; charset=nonsense", SIGNATURE, "gzip", "00-x-y-z"]),
    ),
    max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A gateway with people, a conversation, and somebody who may do everything."""
    chosen = Settings(data=tmp_path_factory.mktemp("fuzz"), partitions=2, broker="memory://", rate_limit="99999/second")
    driver = Driver(create_app(chosen.model_copy(update=RATES), both(), MemoryStorage()))
    driver.people("alice", "bob")
    driver.service("root", "admin")
    driver.private("alice", "bob")
    yield driver
    driver.close()


def fields(driver: Driver) -> list[str]:
    """The names that bodies and queries have in the document."""
    document = driver.ask(None, "GET", "/openapi.json")
    named = {name for each in document["components"]["schemas"].values() for name in each.get("properties", {})}
    return sorted(named)


def routes(driver: Driver) -> list[str]:
    return sorted({rule.rule for rule in driver.app.url_map.iter_rules()})


def failed(driver: Driver, method: str, path: str, **more: Any) -> str:
    """What is wrong with the answer; empty if nothing. Secrets of others are no caller's fault, so 503 is none either."""
    if driver.parts.store.users(["alice"])["alice"].disabled_at:
        driver.ask("root", "POST", "/v1/users/alice/enable")
    answer = driver.client.open(path, method=method, **more)
    answer.close()
    return f"{method} {path!r} {more!r}: {answer.status_code}" if answer.status_code >= 500 else ""


def as_somebody(driver: Driver, who: str | None, headers: dict[str, str]) -> dict[str, str]:
    return ({"Authorization": f"Bearer {driver.tokens[who]}"} if who else {}) | headers


def test_no_odd_body_is_a_5xx(driver: Driver) -> None:
    """Each route that takes a body, with each odd one, known and unknown, signed as a provider would."""
    wrong = []
    for rule in routes(driver):
        path = re.sub(r"<[^>]*channel>", "whatsapp", rule)
        path = re.sub(r"<[^>]*user_id>", "alice", path)
        path = re.sub(r"<[^>]*>", "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11", path)
        for body in ODD_BODIES:
            for who in (None, "root"):
                headers = as_somebody(driver, who, {"Content-Type": "application/json", "X-Signature": SIGNATURE})
                wrong += [failed(driver, method, path, data=body, headers=headers) for method in ("POST", "PUT", "PATCH")]
    assert [each for each in wrong if each] == []


@pytest.mark.parametrize("who", [None, "alice", "root"])
def test_nothing_that_is_sent_is_a_5xx(driver: Driver, who: str | None) -> None:
    """Paths, queries, headers and bodies as hypothesis finds them, made of the names that the document has."""
    names = st.one_of(st.sampled_from(fields(driver)), WORDS)
    bodies = st.one_of(
        st.dictionaries(names, VALUES, max_size=6).map(lambda each: json.dumps(each).encode()),
        VALUES.map(lambda each: json.dumps(each).encode()),
        st.binary(max_size=60),
        st.sampled_from(ODD_BODIES),
    )

    @EXAMPLES
    @given(
        method=st.sampled_from(METHODS),
        rule=st.sampled_from(routes(driver)),
        parts=st.lists(WORDS, min_size=3, max_size=3),
        query=st.dictionaries(names, WORDS, max_size=3),
        headers=HEADERS,
        body=bodies,
    )
    def holds(method: str, rule: str, parts: list[str], query: dict[str, str], headers: dict[str, str], body: bytes) -> None:
        given_parts = iter(parts)
        path = re.sub(r"<[^>]*>", lambda _found: quote(next(given_parts, "x") or "x", "", errors="surrogatepass"), rule)
        sent = as_somebody(driver, who, headers)
        try:
            wrong = failed(driver, method, path, query_string=query, headers=sent, data=body)
        except (UnicodeError, ValueError) as error:
            # The test client itself cannot send it: no gateway would hear it.
            assert "surrogates" in str(error) or "Header" in str(error) or "codec" in str(error), error
            return
        assert not wrong

    holds()
