"""Reads rows by many keys, values that change by compare-and-set only, and a cache of what this process knows to be written."""

import random
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from chat4all.model.failures import Temporary
from storage.message_store.cassandra_session import Row, Session

# Keys in one request: each costs a third of what it costs alone. Servers allow 100 at most.
TOGETHER = 32
ROUNDS = 30
PAUSE_MS = (1.0, 15.0)

# Timestamps that fall as a value grows, so that the smallest wins: 2005 as servers read it, never in their future.
TOP = 2**50

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


def as_json(value: Any) -> str:
    """JSON as text, so that an operator can read it in cqlsh."""
    return _encode(value).decode()


class Lookup:
    """`columns` of the rows of a table with these key columns; the last of them by IN."""

    def __init__(self, columns: str, table: str, *key: str) -> None:
        where = " AND ".join([*(f"{name} = ?" for name in key[:-1]), f"{key[-1]} "])
        head = f"SELECT {key[-1]}, {columns} FROM {table} WHERE {where}"  # noqa: S608
        self._one, self._many = f"{head}= ?", f"{head}IN ?"

    def __call__(self, session: Session, keys: Iterable[tuple[Any, ...]]) -> list[tuple[tuple[Any, ...], Row]]:
        """Pairs of (key, columns) for every row found, in no order. The same key twice is answered once."""
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for key in dict.fromkeys(keys):
            # A key that is one empty text is refused as a mistake; nothing can be kept under it.
            if key != ("",):
                groups.setdefault(key[:-1], []).append(key[-1])
        calls, heads = [], []
        for head, tails in groups.items():
            for start in range(0, len(tails), TOGETHER):
                chunk = tails[start : start + TOGETHER]
                calls.append((self._one, (*head, chunk[0])) if len(chunk) == 1 else (self._many, (*head, chunk)))
                heads.append(head)
        if not calls:
            return []
        found = session.all(calls)
        return [((*head, row[0]), row[1:]) for head, rows in zip(heads, found, strict=True) for row in rows]


class Register:
    """A table whose one `value` column, text, is written by compare-and-set only: all who ask agree on what is kept."""

    def __init__(self, table: str, *key: str, value: str = "body") -> None:
        where = " AND ".join(f"{name} = ?" for name in key)
        self._read = Lookup(value, table, *key)
        self._swap = f"UPDATE {table} USING TTL ? SET {value} = ? WHERE {where} IF {value} = ?"  # noqa: S608

    def read(self, session: Session, keys: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
        """The values kept under these keys; those without are absent."""
        return {key: value for key, (value,) in self._read(session, keys) if value is not None}

    def settle(
        self,
        session: Session,
        keys: Iterable[tuple[Any, ...]],
        change: Callable[[tuple[Any, ...], str | None], str | None],
        ttl_s: int = 0,
    ) -> dict[tuple[Any, ...], tuple[str | None, bool]]:
        """Make each value what `change` of it is; for each key the value then kept, and whether it was we who changed it.

        `change` is asked again when somebody else was faster. What it leaves as it is costs a read only. `ttl_s`: how long
        a changed value is kept; 0: for good.
        """
        asked = list(dict.fromkeys(keys))
        there = self.read(session, asked)
        now: dict[tuple[Any, ...], str | None] = {key: there.get(key) for key in asked}
        settled: dict[tuple[Any, ...], tuple[str | None, bool]] = {}
        for _ in range(ROUNDS):
            wanted = {key: change(key, value) for key, value in now.items()}
            settled |= {key: (value, False) for key, value in now.items() if wanted[key] == value}
            open_keys = [key for key in now if key not in settled]
            if not open_keys:
                return settled
            answers = session.decide([(self._swap, (ttl_s, wanted[key], *key, now[key])) for key in open_keys])
            now = {}
            for key, answer in zip(open_keys, answers, strict=True):
                if answer[0]:
                    settled[key] = (wanted[key], True)
                else:
                    now[key] = answer[1] if len(answer) > 1 else None
            if not now:
                return settled
            time.sleep(random.uniform(*PAUSE_MS) / 1000)  # noqa: S311
        raise Temporary("store", "others kept changing the same")

    def change(
        self, session: Session, key: tuple[Any, ...], read: Callable[[str | None], T], change: Callable[[T], T]
    ) -> tuple[T, T, bool]:
        """One value as a struct: what it was, what is now kept, and whether it was we who changed it. As `settle`.

        `read`: what a text stands for, and what stands where there is none.
        """
        before = read(None)

        def changed(_key: tuple[Any, ...], body: str | None) -> str | None:
            nonlocal before
            before = read(body)
            wanted = change(before)
            return body if wanted == before else as_json(wanted)

        body, ours = self.settle(session, [key], changed)[key]
        return before, read(body), ours
