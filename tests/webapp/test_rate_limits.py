"""Rates: taken in shares, in a window that moves, and held by each process alone when their counters are gone."""

import time
from collections.abc import Callable

from limits import parse
from limits.errors import StorageError

from chat4all.services.access.rate_limits import Limiter, Memory, network_of
from tests.webapp.driver import PASSWORD, Driver


class Counting(Memory):
    """Counts how often it was asked; may be made to fail."""

    asked = 0
    failing = False

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        self.asked += 1
        if self.failing:
            raise StorageError(ConnectionError())
        return super().acquire_entry(key, limit, expiry, amount)


def test_a_high_rate_is_taken_in_shares() -> None:
    """The counters are asked once for what a hundredth of a second allows."""
    storage = Counting()
    limiter = Limiter(storage, lambda: 0.0)
    rate = parse("2000/second")
    assert all(limiter.take(rate, "alice").ok for _ in range(1000))
    assert storage.asked == 50


def test_no_more_than_the_rate_gets_through() -> None:
    """Also where a batch costs many at once; what is left is told, and how long until there is more."""
    limiter = Limiter(Memory())
    rate = parse("100/hour")
    assert limiter.take(rate, "alice", 60).remaining == 40
    refused = limiter.take(rate, "alice", 60)
    assert (refused.ok, refused.remaining) == (False, 0)
    assert 3590 < refused.wait_s <= 3600
    assert limiter.take(rate, "alice", 40).ok
    assert not limiter.take(rate, "alice").ok
    assert limiter.take(rate, "bob", 500).ok
    assert not limiter.take(rate, "bob").ok


def test_the_window_moves() -> None:
    """The end of one window and the beginning of the next do not allow twice the rate."""
    limiter = Limiter(Memory())
    rate = parse("10/second")
    begun = time.monotonic()
    taken = 0
    while time.monotonic() < begun + 2.5:
        taken += limiter.take(rate, "alice").ok
        time.sleep(0.005)
    assert taken <= 30


def test_the_wait_that_is_told_is_enough_and_not_too_long() -> None:
    """After it the same is granted; well before it is not."""
    limiter = Limiter(Memory())
    rate = parse("4/second")
    for _ in range(2):
        limiter.take(rate, "alice")
        time.sleep(0.3)
    limiter.take(rate, "alice", 2)
    wait = limiter.take(rate, "alice", 2).wait_s
    assert 0.4 < wait < 0.9
    time.sleep(wait + 0.01)
    assert limiter.take(rate, "alice", 2).ok


def test_each_process_counts_alone_while_the_counters_are_away() -> None:
    """Nothing passes unlimited; the counters are asked again after a pause."""
    storage, now = Counting(), [100.0]
    storage.failing = True
    limiter = Limiter(storage, lambda: now[0])
    rate = parse("3/hour")
    assert [limiter.take(rate, "alice").ok for _ in range(5)] == [True, True, True, False, False]
    assert storage.asked == 1
    now[0], storage.failing = 106.0, False
    assert [limiter.take(rate, "alice").ok for _ in range(4)] == [True, True, True, False]
    assert storage.asked > 1


def test_a_household_counts_as_one() -> None:
    """Of IPv6 the first half names a network; what is no address stays what it is."""
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("203.0.113.5") == "203.0.113.5"
    assert network_of("unknown") == "unknown"


def test_a_caller_is_told_what_is_left(start: Callable[..., Driver]) -> None:
    """RateLimit headers with each answer, and Retry-After that is true: not the whole window."""
    driver = start(rate_limit="3/minute")
    driver.people("alice")
    left = [driver.call("alice", "GET", "/v1/users/me").headers["RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    time.sleep(1.1)
    answer = driver.call("alice", "GET", "/v1/users/me")
    assert answer.status_code == 429
    assert answer.headers["RateLimit-Policy"] == "3;w=60"
    assert answer.headers["RateLimit-Reset"] == answer.headers["Retry-After"]
    assert 55 <= int(answer.headers["Retry-After"]) < 60


def test_a_batch_costs_its_messages(start: Callable[..., Driver]) -> None:
    """A hundred messages in one request are a hundred."""
    driver = start(rate_limit="110/minute")
    driver.people("alice", "bob")
    body = {"messages": [{"to": ["bob"], "payload": {"type": "text", "text": "hi"}}] * 100}
    driver.ask("alice", "POST", "/v1/messages:batch", body)
    assert driver.refused("alice", "POST", "/v1/messages:batch", body, 429)[0] == "rate_limited"
    driver.send("alice", to=["bob"])


def test_one_password_for_many_names_is_stopped(start: Callable[..., Driver]) -> None:
    """Wrong secrets count for the network, whosoever they are tried for; another network is not touched."""
    driver = start(login_failure_limit="30/minute")
    codes = [driver.call(None, "POST", "/auth/token", _login(f"user-{number}")).status_code for number in range(100)]
    assert codes == [401] * 30 + [429] * 70
    elsewhere = driver.call(None, "POST", "/auth/token", _login("user-1"), environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
    assert elsewhere.status_code == 401


def test_right_logins_are_no_failures(start: Callable[..., Driver]) -> None:
    """Many people of one office log in."""
    driver = start(login_failure_limit="2/minute")
    driver.ask(None, "POST", "/v1/users", {"user_id": "dora", "password": PASSWORD}, 201)
    for _ in range(5):
        driver.ask(None, "POST", "/auth/token", {"client_id": "dora", "client_secret": PASSWORD})


def test_registrations_from_one_network_are_limited(start: Callable[..., Driver]) -> None:
    """Whoever registers themselves; a service client may register everybody."""
    driver = start(registration_limit="3/hour")
    driver.service("crm", "manage")

    def register(who: str | None, number: int) -> int:
        body = {"user_id": f"user-{number}", "password": PASSWORD}
        return driver.call(who, "POST", "/v1/users", body).status_code

    assert [register(None, number) for number in range(5)] == [201, 201, 201, 429, 429]
    assert [register("crm", number) for number in range(5, 9)] == [201] * 4


def _login(name: str) -> dict[str, str]:
    return {"client_id": name, "client_secret": "Winter2026!"}
