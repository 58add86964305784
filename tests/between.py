"""Stands between a port and whoever calls it, so that a test can look at its calls, delay them, or make them fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Between:
    """`real`: the port. Calls reach it unless a test has said what happens instead."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self._instead: dict[str, Callable[..., Any]] = {}

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Whoever asks takes it for the port itself."""
        return type(self.real)

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(self.real, name)

    def answer(self, name: str, call: Callable[..., Any]) -> None:
        """From now on this happens when a method is called."""
        assert callable(getattr(self.real, name)), name
        self._instead[name] = call

    def fail(self, name: str, failure: BaseException) -> None:
        """From now on a method raises this."""

        def failing(*_: object, **__: object) -> None:
            raise failure

        self.answer(name, failing)

    def mend(self) -> None:
        """All calls reach the port again."""
        self._instead.clear()

    @contextmanager
    def instead(self, name: str, call: Callable[..., Any]) -> Iterator[None]:
        """The same as `answer`, for as long as the context lasts."""
        self.answer(name, call)
        try:
            yield
        finally:
            self._instead.pop(name, None)
