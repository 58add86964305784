"""Secrets are checked a few at once, and nobody waits in a long line for it."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from argon2 import PasswordHasher

from chat4all.services.access.credentials import AT_ONCE, IN_LINE, Busy, SecretHashes, check_secret, hash_secret

MANY = 64


def test_many_logins_at_once_take_the_memory_of_few() -> None:
    """Of 64 that come together two are worked on, some wait, the others are told to come again at once."""
    running, most, goes_on = 0, 0, threading.Event()
    lock = threading.Lock()

    def verify(_kept: str, _secret: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert goes_on.wait(20)
        with lock:
            running -= 1
        return True

    def login() -> str:
        try:
            hashes.fits(None, "secret")
        except Busy:
            return "busy"
        return "answered"

    hashes = SecretHashes(Mock(hash=str, verify=verify))
    with ThreadPoolExecutor(MANY) as pool:
        asked = [pool.submit(login) for _ in range(MANY)]
        refused = [each for each in asked if not _is_waiting(each)]
        assert [each.result() for each in refused] == ["busy"] * (MANY - IN_LINE)
        goes_on.set()
        assert sorted(each.result(20) for each in asked) == ["answered"] * IN_LINE + ["busy"] * (MANY - IN_LINE)
    assert most == AT_ONCE


def _is_waiting(asked: "Future[str]") -> bool:
    """Whether a call has no answer after a moment."""
    try:
        asked.result(0.5)
    except TimeoutError:
        return True
    return False


def test_the_line_is_free_again_after_whatever_came_of_it() -> None:
    """A wrong secret, a hash that is none, an error: each lets the next in."""
    real = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    hasher = Mock(hash=Mock(side_effect=real.hash), verify=real.verify)
    hashes = SecretHashes(hasher)
    kept = hashes.of("right")
    for _ in range(IN_LINE + 1):
        assert not hashes.fits(None, "wrong")
    hasher.hash.side_effect = RuntimeError
    for _ in range(IN_LINE + 1):
        with pytest.raises(RuntimeError):
            hashes.of("x")
    hasher.hash.side_effect = real.hash
    assert hashes.of("right") != kept


def test_what_is_kept_of_a_secret_is_an_argon2_hash() -> None:
    """Each time another one, and it says nothing of the secret."""
    assert hash_secret("right").startswith("$argon2id$")
    assert hash_secret("right") != hash_secret("right")
    assert not check_secret(None, "right")
