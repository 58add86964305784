"""Logins and what ends them. Frozen types and pure rules; no I/O. Times are milliseconds UTC.

A login is a session. Its refresh token is good for one renewal: each renewal makes the next *turn*. What makes tokens void is
a revocation, and each one raises the deployment's *generation*. Tokens name their session and the generation that they were
made in, never a time: clocks of machines differ.
"""

from msgspec import Struct
from msgspec.structs import replace

# An honest client whose answer was lost asks again for as long as `chat4all.client` tries.
LOST_ANSWER_MS = 60_000
SESSIONS_MOST = 200
# Sessions of tokens that were made before there were sessions.
OLD_PREFIX = "old-"

LOGOUT, REUSED, ENDED = "logout", "reused", "ended"


class Session(Struct, frozen=True, omit_defaults=True):
    """A login. `generation`: of its newest tokens; `ended`: why it ended, empty while it goes on; `agent`: what logged in."""

    user_id: str
    session_id: str
    created_at: int
    used_at: int
    expires_at: int
    generation: int = 0
    turn: int = 0
    ended: str = ""
    agent: str = ""

    def turned(self, now: int, expires_at: int, generation: int) -> "Session":
        """After one more renewal."""
        return replace(self, used_at=now, expires_at=expires_at, generation=generation, turn=self.turn + 1)

    def is_good(self, now: int, valid_from: int) -> bool:
        """Whether it goes on; `valid_from` is the user's."""
        return not self.ended and now < self.expires_at and self.generation >= valid_from

    def is_lost_answer(self, turn: int, now: int) -> bool:
        """Whether the token of this turn comes a second time because the answer to the first was lost.

        So it is as long as nobody has used what the answer held.
        """
        return turn == self.turn - 1 and now - self.used_at <= LOST_ANSWER_MS


class Revocation(Struct, frozen=True, omit_defaults=True):
    """Makes void: all tokens of a session, or those of a user whose generation is below `before`."""

    session_id: str = ""
    user_id: str = ""
    before: int = 0


class Holding(Struct, frozen=True, omit_defaults=True):
    """Something that is counted for, or kept by, an owner until a time; 0: for good."""

    owner: str
    kind: str
    thing: str
    amount: int = 0
    until: int = 0
