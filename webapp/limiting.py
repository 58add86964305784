"""Rate limits. Counted in the Redis that carries Celery's messages, so that they hold over all gateways; without one, in
this process, so that each process allows the whole rate. When that Redis is away requests pass: a limit protects, and
must not be one more thing that can stop the service.
"""

import threading
import time
from collections.abc import Callable

from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from chat4all import telemetry
from chat4all.settings import Settings
from webapp.problems import Problem

log = telemetry.logger(__name__)

KEY = "chat4all_limits"
REDIS_TIMEOUT_S = 0.2
PAUSE_S = 5.0
# A process takes a hundredth of a rate at once: asking Redis at each request would cost a tenth of the request.
SHARE = 100
KEPT = 10_000


class Limiter:
    """Takes from rates. Thread-safe."""

    def __init__(self, storage: Storage, clock: Callable[[], float] = time.monotonic) -> None:
        self._strategy = FixedWindowRateLimiter(storage)
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[tuple[RateLimitItem, str], tuple[int, float]] = {}
        self._away_until = 0.0

    def take(self, rate: RateLimitItem, who: str) -> bool:
        """Whether `who` may go on now."""
        now = self._clock()
        place = (rate, who)
        with self._lock:
            left, until = self._taken.get(place, (0, 0.0))
            if left and now < until:
                self._taken[place] = (left - 1, until)
                return True
        if now < self._away_until:
            return True
        share = max(1, rate.amount // SHARE)
        try:
            granted = self._strategy.hit(rate, who, cost=share)
        except StorageError:
            self._lost(now)
            return True
        if granted and share > 1:
            self._keep(place, share - 1, now + rate.get_expiry())
        return granted

    def _keep(self, place: tuple[RateLimitItem, str], left: int, until: float) -> None:
        with self._lock:
            if len(self._taken) >= KEPT:
                self._taken.clear()
            self._taken[place] = (left, until)

    def _lost(self, now: float) -> None:
        with self._lock:
            first, self._away_until = not self._away_until, now + PAUSE_S
        if first:
            log.warning("rate_limits_off", why="the counters' Redis does not answer; requests pass until it does")


def storage_of(settings: Settings) -> Storage:
    """Where these settings count."""
    url = settings.broker_url.replace("redis+socket://", "redis+unix://")
    if not url.startswith("redis"):
        return MemoryStorage()
    return RedisStorage(url, wrap_exceptions=True, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S)


def init(app: Flask, settings: Settings, storage: Storage | None = None) -> None:
    """Set up the limits of an application."""
    limiter = Limiter(storage or storage_of(settings))
    app.extensions[KEY] = (limiter, parse(settings.rate_limit), parse(settings.login_limit))


def check(user_id: str) -> None:
    """Problem 429 when the caller asks too often."""
    limiter, rate, _ = current_app.extensions[KEY]
    _check(limiter, rate, user_id)


def check_login(client_id: str) -> None:
    """Problem 429 when somebody tries too many secrets of one client_id."""
    limiter, _, rate = current_app.extensions[KEY]
    _check(limiter, rate, f"{request.remote_addr} {client_id}")


def _check(limiter: Limiter, rate: RateLimitItem, who: str) -> None:
    if not limiter.take(rate, who):
        wait = rate.get_expiry()
        raise Problem(429, "rate_limited", f"at most {rate}", headers={"Retry-After": str(wait)})
