"""Further addresses of the people that we write to, as a provider's answer names them: they may answer from these."""

from collections.abc import Sequence

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Identity
from chat4all.model.deliveries import Delivery
from chat4all.model.workspaces import space_at
from chat4all.ports import Taken


class Names:
    """Remembers what was learnt in this process, so that it is written once and not at every send."""

    FORGET_ABOVE = 50_000

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def learnt(self, row: Delivery, provider_id: str) -> Sequence[Identity]:
        """What an answer calls the person, where that is news. Unverified, so that nothing is sent to one person twice."""
        if not isinstance(provider_id, Taken):
            return ()
        channel = space_at(row.conversation_id, row.key.lane.channel)
        new = [name for name in provider_id.names if name != row.address and (row.address, name) not in self._known]
        if len(self._known) > self.FORGET_ABOVE:
            self._known = set()
        self._known.update((row.address, name) for name in new)
        return [Identity(channel, name, row.user_id, now_ms(), verified=False) for name in new]
