"""How many requests may wait at the same time. One that waits occupies a thread: others are left for those who do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

# Half of the threads may wait for a message that is not stored yet, a quarter for a worker that checks a file, or search, and
# an eighth for pages of the web.
MESSAGE_SHARE, FILE_SHARE, SEARCH_SHARE, PREVIEW_SHARE = 2, 4, 4, 8
# A search that takes longer answers with what it has found.
SEARCH_S = 2.0
# A page that does not answer by then has no preview.
PREVIEW_S = 4.0
# At most so long. A message's reader says how long; a file's gets 202 then, and asks again.
MESSAGE_WAIT_S = FILE_WAIT_S = 10.0


class Waits:
    """So many turns to wait, each for `most_s` seconds at most. Without a turn a request is answered at once."""

    def __init__(self, turns: int, most_s: float) -> None:
        self._turns = BoundedSemaphore(max(1, turns))
        self.most_s = most_s

    @contextmanager
    def turn(self, wanted_s: float | None = None) -> Iterator[float]:
        """How many seconds may be waited within the context: 0 where all turns are taken."""
        if not self._turns.acquire(blocking=False):
            yield 0.0
            return
        try:
            yield self.most_s if wanted_s is None else min(wanted_s, self.most_s)
        finally:
            self._turns.release()
