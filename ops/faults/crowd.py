"""Who writes to whom: users and people on all four channels, in a few hot conversations and many cold ones."""

from collections.abc import Sequence
from random import Random
from typing import Any

from msgspec import Struct

from ops.harness.api import Api
from ops.harness.place import Place

PEOPLE = 8
HOT = 12
COLD = 80
KINDS = ("users", "whatsapp", "instagram", "telegram", "both", "messenger", "users", "whatsapp", "telegram", "instagram")
START = {"whatsapp": "+5511", "instagram": "1784", "telegram": "77", "messenger": "8841"}


class Talk(Struct, frozen=True):
    """A conversation: its members (all have a stream), who of them writes, and which addresses its messages go to."""

    conversation_id: str
    kind: str
    members: tuple[str, ...]
    writers: tuple[str, ...]
    addresses: frozenset[str] = frozenset()


class Crowd:
    """Everybody, made in a running system. `name` begins the users' names."""

    def __init__(self, place: Place, seed: int, name: str = "user") -> None:
        self._random = Random(seed)
        self.operator: Api = place.operator()
        self.people = {f"{name}-{number}": place.register(f"{name}-{number}") for number in range(PEOPLE)}
        self.hot = [self._talk(KINDS[number % len(KINDS)], number) for number in range(HOT)]
        self.cold = [self._talk(self._random.choice(KINDS), HOT + number) for number in range(COLD)]

    @property
    def talks(self) -> Sequence[Talk]:
        """All of them."""
        return [*self.hot, *self.cold]

    @property
    def tokens(self) -> dict[str, str]:
        """An access token of everybody with a stream."""
        return {who: api.token for who, api in self.people.items()}

    def close(self) -> None:
        """Let go of all connections."""
        for api in (self.operator, *self.people.values()):
            api.close()

    def _talk(self, kind: str, number: int) -> Talk:
        one, other = self._random.sample(sorted(self.people), 2)
        if kind in {"users", "both"}:
            made = self.operator.call("POST", "/v1/conversations", {"type": "group", "members": [one, other]})
            if kind == "users":
                return Talk(made["conversation_id"], kind, (one, other), (one, other))
            # A person on WhatsApp in a group with two users: every message goes three ways.
            address = f"whatsapp:+5521{number:08d}"
            self.operator.call("POST", f"/v1/conversations/{made['conversation_id']}/members", {"members": [address]})
            return Talk(made["conversation_id"], kind, (one, other), (one, other), frozenset({address}))
        address = f"{kind}:{START[kind]}{number:09d}"
        first: dict[str, Any] = {"from": one, "to": [address], "payload": {"type": "text", "text": "hello"}}
        return Talk(self.operator.send(first)["conversation_id"], kind, (one,), (one,), frozenset({address}))
