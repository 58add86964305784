"""The tries of batches that come again, as one process makes them: its name, and what it owes the store to say of them."""

from collections import deque
from collections.abc import Sequence
from threading import Lock
from uuid import uuid4

from chat4all.model.records import Range
from chat4all.ports import MessageStore


class Tries:
    """One per process, for all stages and threads of it.

    `life` names the process: what counts is its death, and threads that have the same records at the same time are one try.
    `alone`: of all threads one at a time tries a record alone. Whoever dies then has had nobody else's record in hands alone.
    """

    def __init__(self) -> None:
        self.life = uuid4().hex
        self.alone = Lock()
        self._owed: deque[tuple[str, str, Sequence[Range], str]] = deque()

    def owe(self, stage: str, topic: str, ranges: Sequence[Range]) -> None:
        """A try came back. Until the store knows it: an outage just then must not count against the records."""
        self._owed.append((stage, topic, ranges, self.life))

    def bring(self, store: MessageStore) -> None:
        """Tell the store all that it does not know yet. Raises what an outage raises, and keeps the rest."""
        while self._owed:
            owed_try = self._owed.popleft()
            try:
                store.excuse_tries(*owed_try)
            except Exception:
                self._owed.appendleft(owed_try)
                raise
