"""How much a request of the gateway looks at, at the most. No settings: whoever asks is told where to go on."""

from msgspec import Struct

from chat4all.services.dead_letters import PAGE


class Bounds(Struct, frozen=True):
    """Numbers of rows."""

    # Dead letters that are looked at for one page of those that a filter lets through, and how many are read at once.
    letters: int = 5_000
    letters_at_once: int = PAGE
    # The same of conversations.
    conversations: int = 1_000
    # Messages of one conversation that are counted in a report, and those at its beginning in which an answer is looked for.
    reported: int = 1_000
    answered: int = 50
    # Messages of one conversation that are looked at to count what is unread.
    unread: int = 1_000


BOUNDS = Bounds()
