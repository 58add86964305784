"""Browsers: OPTIONS on every path, pages of other origins, and headers that keep an answer from being misused."""

import re
from collections.abc import Callable

import pytest

from chat4all.settings import Settings
from tests.webapp.driver import Driver

ORIGIN = "https://app.example.com"


def paths(driver: Driver) -> list[str]:
    return [re.sub(r"<(?:[^:>]*:)?[^>]*>", "x", rule.rule) for rule in driver.app.url_map.iter_rules()]


def test_options_is_answered_on_every_path(start: Callable[..., Driver]) -> None:
    """What every browser sends first, without a token: 200 and what is allowed, protected or not."""
    driver = start(cors_origins=f"{ORIGIN}, https://other.example.com")
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in paths(driver):
        answer = driver.client.open(path, method="OPTIONS", headers=asked)
        assert answer.status_code == 200, path
        assert "OPTIONS" in answer.headers["Allow"]
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Access-Control-Allow-Methods"] == answer.headers["Allow"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert driver.client.options("/nowhere", headers=asked).status_code == 404


def test_pages_of_the_origins_named_may_read_answers(start: Callable[..., Driver]) -> None:
    """Others may not, nor anybody where none is named; refusals can be read too. Never with cookies."""
    driver, closed = start(cors_origins=ORIGIN), start()
    for path in ("/healthz", "/v1/users/me"):
        told = driver.client.get(path, headers={"Origin": ORIGIN}).headers
        assert (told["Access-Control-Allow-Origin"], told["Vary"]) == (ORIGIN, "Origin")
        assert "Retry-After" in told["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in told
        for origin in ("https://evil.example.com", "null", ""):
            assert "Access-Control-Allow-Origin" not in driver.client.get(path, headers={"Origin": origin}).headers
        assert "Access-Control-Allow-Origin" not in closed.client.get(path, headers={"Origin": ORIGIN}).headers


@pytest.mark.parametrize("wrong", ["*", "app.example.com", "https://app.example.com/", "ftp://x", "https://"])
def test_what_is_no_origin_is_refused_at_the_start(wrong: str) -> None:
    """A slip of the pen would allow nobody, in silence, or everybody."""
    with pytest.raises(ValueError, match="is no origin"):
        Settings(cors_origins=wrong)


def test_answers_cannot_be_misused(gateway: Driver) -> None:
    """JSON, problems and Swagger's page: no sniffing, no frames, nothing kept that is somebody's."""
    gateway.people("alice")
    for who, path in ((None, "/healthz"), (None, "/v1/users/me"), ("alice", "/v1/users/me"), (None, "/openapi.json")):
        told = gateway.call(who, "GET", path).headers
        assert told["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in told["Content-Security-Policy"]
        assert told["Cache-Control"] == "no-store"
    page = gateway.client.get("/docs/swagger")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
