"""Part of the message store: logins, revocations, requests under an Idempotency-Key, and what counts towards a quota."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from chat4all.model.conversations import User, Verification
from chat4all.model.sessions import Holding, Revocation, Session


class Access(ABC):
    """Sessions and users change by compare-and-set. The generation only grows."""

    @abstractmethod
    def change_user(self, user_id: str, change: Callable[[User], User]) -> User | None:
        """Make the user what `change` of it is, asked again when another was faster. The user then kept; None: unknown."""

    @abstractmethod
    def swap_verification(self, seen: Verification, wanted: Verification) -> bool:
        """Compare-and-set of a code: False when what waits is no longer what was `seen`."""

    @abstractmethod
    def add_session(self, session: Session) -> Session:
        """Keep it until it expires; the one now kept under (user, session id): first writer wins."""

    @abstractmethod
    def session(self, user_id: str, session_id: str) -> Session | None:
        """This one, if it is kept; also when it has ended."""

    @abstractmethod
    def sessions(self, user_id: str) -> list[Session]:
        """All of the user's that are kept, by session id."""

    @abstractmethod
    def swap_session(self, seen: Session, wanted: Session) -> bool:
        """Compare-and-set: False when what is kept is no longer what was `seen`."""

    @abstractmethod
    def drop_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        """Forget these."""

    @abstractmethod
    def generation(self) -> int:
        """How many revocations there were. One row, read every second by each process."""

    @abstractmethod
    def revoke(self, revocations: Sequence[Revocation], keep_s: int) -> int:
        """Raise the generation by one and keep what that one made void for so long; the new generation."""

    @abstractmethod
    def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """What later generations than `after` made void, as far as it is still kept, and the generation it leads to."""

    @abstractmethod
    def begin_request(self, owner: str, key: str, body: str, keep_s: int) -> str:
        """Keep what is known of the request that `owner` makes under this key; what is now kept: first writer wins."""

    @abstractmethod
    def swap_request(self, owner: str, key: str, seen: str, wanted: str | None, keep_s: int) -> bool:
        """Compare-and-set; None forgets it. False when what is kept is no longer what was `seen`."""

    @abstractmethod
    def hold(self, holdings: Sequence[Holding]) -> None:
        """Keep these, each until its time, instead of what was held under the same owner, kind and thing."""

    @abstractmethod
    def holdings(self, owner: str, kind: str) -> list[Holding]:
        """What this owner holds now, by thing."""

    @abstractmethod
    def let_go(self, owner: str, kind: str, things: Sequence[str]) -> None:
        """Hold these no longer."""
