"""Rate limits, the same for every way in: REST, gRPC and Server-Sent Events.

The counters are in the Redis that carries Celery's messages, so that they hold over all processes. With another broker, or
while that Redis is away, each process counts for itself and allows the whole rate. Windows slide: in any stretch of a
window's length no more calls than the rate pass, except for the few that processes have reserved.
"""

import ipaddress
import math
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter
from msgspec import Struct

from chat4all.settings import Settings
from chat4all.telemetry import logs

log = logs.logger(__name__)

REDIS_TIMEOUT_S = 0.2
# How long a process counts alone, before it asks a Redis again that did not answer.
PAUSE_S = 5.0
# A process takes what a hundredth of a second allows at once: asking Redis at each request would cost a tenth of the request.
SHARE = 100
SHARE_S = 1.0
KEPT = 10_000


class Grant(Struct, frozen=True):
    """Whether somebody may go on; else after `wait_s`. `remaining` of `most` in any `window_s` seconds."""

    ok: bool
    most: int
    window_s: int
    remaining: int
    wait_s: float


class TooMany(Exception):
    """Somebody asks too often."""

    def __init__(self, grant: Grant) -> None:
        super().__init__(f"at most {grant.most} in {grant.window_s} s")
        self.grant = grant

    @property
    def retry_after(self) -> int:
        """Whole seconds after which it is granted."""
        return max(1, math.ceil(self.grant.wait_s))


class Memory(MemoryStorage):
    """Counts in this process. As in Redis, `limit` bounds how far back the window is looked at."""

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The oldest of the newest `limit` entries in the window, and how many of these there are."""
        oldest, count = super().get_moving_window(key, limit, expiry)
        return (self.events[key][limit - 1].atime, limit) if count > limit else (oldest, count)


class Limiter:
    """Takes from rates. Thread-safe."""

    def __init__(self, storage: Storage, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(Memory())
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[tuple[RateLimitItem, str], tuple[int, float, int]] = {}
        self._away_until = 0.0

    def take(self, rate: RateLimitItem, who: str, cost: int = 1) -> Grant:
        """Take `cost` of `who`'s rate, or nothing. What costs more than the whole rate costs the whole rate."""
        cost, now, place = min(cost, rate.amount), self._clock(), (rate, who)
        with self._lock:
            left, until, remaining = self._taken.get(place, (0, 0.0, 0))
            if left >= cost and now < until:
                self._taken[place] = (left - cost, until, remaining)
                return _grant(True, rate, remaining + left - cost)
        share = max(cost, rate.amount // rate.get_expiry() // SHARE)
        granted, remaining, wait_s = self._ask(rate, who, share, now)
        if not granted and share > cost:
            share = cost
            granted, remaining, wait_s = self._ask(rate, who, cost, now)
        if granted and share > cost:
            self._keep(place, share - cost, now + SHARE_S, remaining)
        return _grant(granted, rate, remaining + share - cost if granted else 0, wait_s)

    def is_open(self, rate: RateLimitItem, who: str) -> Grant:
        """Whether one more would be granted. Takes nothing."""
        now = self._clock()
        if now >= self._away_until:
            try:
                return _looked(self._shared, rate, who)
            except StorageError:
                self._lost(now)
        return _looked(self._own, rate, who)

    def _ask(self, rate: RateLimitItem, who: str, cost: int, now: float) -> tuple[bool, int, float]:
        """Whether it is granted, what is then left, and how long until it would be."""
        if now >= self._away_until:
            try:
                asked = _asked(self._shared, rate, who, cost)
            except StorageError:
                self._lost(now)
            else:
                self._found()
                return asked
        return _asked(self._own, rate, who, cost)

    def _keep(self, place: tuple[RateLimitItem, str], left: int, until: float, remaining: int) -> None:
        with self._lock:
            if len(self._taken) >= KEPT:
                self._taken.clear()
            self._taken[place] = (left, until, remaining)

    def _lost(self, now: float) -> None:
        with self._lock:
            first, self._away_until = not self._away_until, now + PAUSE_S
        if first:
            log.warning("rate_limits_alone", why="the counters' Redis does not answer; each process counts for itself")

    def _found(self) -> None:
        with self._lock:
            was_away, self._away_until = bool(self._away_until), 0.0
        if was_away:
            log.warning("rate_limits_together", why="the counters' Redis answers again")


def _asked(strategy: MovingWindowRateLimiter, rate: RateLimitItem, who: str, cost: int) -> tuple[bool, int, float]:
    storage: Any = strategy.storage
    key, window_s = rate.key_for(who), rate.get_expiry()
    granted = strategy.hit(rate, who, cost=cost)
    # Refused: when the entry goes that stands in the way, the last of the newest that leave no room for the cost.
    looked_at = rate.amount if granted else rate.amount - cost + 1
    oldest, count = storage.get_moving_window(key, looked_at, window_s)
    return granted, max(0, rate.amount - count) if granted else 0, max(0.0, oldest + window_s - time.time())


def _looked(strategy: MovingWindowRateLimiter, rate: RateLimitItem, who: str) -> Grant:
    storage: Any = strategy.storage
    oldest, count = storage.get_moving_window(rate.key_for(who), rate.amount, rate.get_expiry())
    return _grant(count < rate.amount, rate, rate.amount - count, max(0.0, oldest + rate.get_expiry() - time.time()))


def _grant(ok: bool, rate: RateLimitItem, remaining: int, wait_s: float = 0.0) -> Grant:
    return Grant(ok, rate.amount, rate.get_expiry(), remaining, wait_s)


def storage_of(settings: Settings) -> Storage:
    """Where these settings count."""
    url = settings.broker_url.replace("redis+socket://", "redis+unix://")
    if not url.startswith("redis"):
        return Memory()
    return RedisStorage(url, wrap_exceptions=True, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S)


def network_of(address: str) -> str:
    """What one household or one server has: an IPv4 address, or the first half of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Limits:
    """The limits of a deployment, as one process takes from them. Each raises TooMany, or says what is left."""

    def __init__(self, settings: Settings, storage: Storage | None = None) -> None:
        self._limiter = Limiter(storage or storage_of(settings))
        self._calls = parse(settings.rate_limit)
        self._streams = parse(settings.stream_limit)
        self._logins = parse(settings.login_limit)
        self._failures = parse(settings.login_failure_limit)
        self._registrations = parse(settings.registration_limit)
        self._codes, self._codes_of_network = parse(settings.code_limit), parse(settings.code_network_limit)
        self._groups = parse(settings.group_limit)

    def call(self, user_id: str, cost: int = 1) -> Grant:
        """A caller does something; a batch costs its messages."""
        return self._take(self._calls, user_id, cost)

    def workspace(self, workspace: str, per_second: int) -> None:
        """Somebody of a workspace does something, which may do so much a second; 0: as much as its callers may."""
        if per_second:
            self._take(_per_second(per_second), f"workspace {workspace}")

    def stream(self, user_id: str) -> Grant:
        """A caller opens a stream."""
        return self._take(self._streams, f"stream {user_id}")

    def login(self, name: str, network: str) -> Grant:
        """Somebody tries a secret of `name`."""
        return self._take(self._logins, f"{network} {name}")

    def failures(self, network: str) -> None:
        """Whether this network may still try: not after too many wrong secrets, whosoever."""
        _or_raise(self._limiter.is_open(self._failures, f"failed {network}"))

    def failed(self, network: str) -> None:
        """A secret was wrong."""
        self._limiter.take(self._failures, f"failed {network}")

    def registration(self, network: str) -> Grant:
        """Somebody registers themselves."""
        return self._take(self._registrations, f"registering {network}")

    def code(self, user_id: str, network: str, place: str) -> None:
        """A code is sent to an address: counted for the user, the network, and the address."""
        self._take(self._codes, f"code of {user_id}")
        self._take(self._codes, f"code to {place}")
        self._take(self._codes_of_network, f"codes from {network}")

    def group(self, user_id: str) -> Grant:
        """A person founds a group, or brings people into one."""
        return self._take(self._groups, f"group {user_id}")

    def _take(self, rate: RateLimitItem, who: str, cost: int = 1) -> Grant:
        return _or_raise(self._limiter.take(rate, who, cost))


@lru_cache(1_000)
def _per_second(most: int) -> RateLimitItem:
    return parse(f"{most}/second")


def _or_raise(grant: Grant) -> Grant:
    if not grant.ok:
        raise TooMany(grant)
    return grant
