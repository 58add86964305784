"""The authenticated caller: what the token says, and what it allows."""

from msgspec import Struct

from chat4all.model.conversations import Membership, UserKind
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import stored

SEND = "send"
MANAGE = "manage"
ADMIN = "admin"
# What this client sends is written by people: a console, or a system in which they answer. No other scope includes it.
HUMAN = "human"
# Of the deployment, not of a workspace: who makes, limits and suspends workspaces. Only a client of `default` can have it.
OPERATOR = "operator"
SCOPES = (SEND, MANAGE, ADMIN, HUMAN, OPERATOR)
# Whoever has one of them may read any conversation by its id, and name any address. A list or a stream of all needs MANAGE.
READING_ALL = frozenset({SEND, MANAGE, ADMIN})


class Caller(Struct, frozen=True):
    """Whoever a valid access token names. Scopes are for service clients; `admin` includes the others but human and operator.

    send: write for others (`from`) and to addresses. manage: register others. Each of them reads any conversation by its id.
    `session` and `generation`: which login it is, see `chat4all.model.sessions`. `workspace`: in which they are;
    `user_id` is what they are called there.
    """

    user_id: str
    kind: UserKind = UserKind.PERSON
    scopes: frozenset[str] = frozenset()
    session: str = ""
    generation: int = 0
    workspace: str = DEFAULT_WORKSPACE

    @property
    def stored_id(self) -> str:
        """What they are called in all of the deployment."""
        return stored(self.workspace, self.user_id)

    def has(self, scope: str) -> bool:
        """Whether the caller has this scope. Whoever may do everything in a workspace may do nothing beyond it."""
        if scope == OPERATOR:
            return OPERATOR in self.scopes and self.workspace == DEFAULT_WORKSPACE
        return scope in self.scopes or (ADMIN in self.scopes and scope != HUMAN)

    @property
    def is_human(self) -> bool:
        """Whether a person writes what this caller says: somebody who logged in, or a client that people write through."""
        return self.kind is UserKind.PERSON or self.has(HUMAN)

    @property
    def sees_all(self) -> bool:
        """Whether the caller may read conversations that it is no member of."""
        return not READING_ALL.isdisjoint(self.scopes)

    @property
    def is_team(self) -> bool:
        """Whether the caller is of those who answer, and sees how conversations are handled and what is said internally.

        Of a deployment's clients these are the ones with scope manage.
        """
        return self.has(MANAGE)

    def may_see(self, membership: Membership) -> bool:
        """Whether the conversation exists for this caller: a person must be or have been a member."""
        return self.sees_all or any(member.user_id == self.user_id for member in membership.members)
