"""How much a lane has in memory and reads at once, and how long it waits. No settings: their values go with each other."""

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """Numbers of rows and keys; `_s`: seconds."""

    # Rows in one read: enough to make it cheap for each, few enough that the first do not wait long for the last.
    read_rows: int = 500
    # Rows that a lane has in memory at most: some MB. It sends fewer than that while it reads the next page.
    in_memory: int = 2000
    # Where the channel sends from several accounts: so many of one at most, and so many of each in any case.
    of_one_account: int = 500
    of_any_account: int = 20
    # So many rows of one key are kept in memory, so that one hot conversation leaves room for the others.
    of_one_key: int = 50
    # So many waiting keys are looked up at once: each look reads its conversation, in one of the few threads of the process.
    catch_ups: int = 32
    # The same of one of several accounts.
    catch_ups_of_one_account: int = 8
    # Messages in one read of a conversation, when a waiting key is looked up.
    messages: int = 100
    # A key that is due sooner than this keeps the lane held: to take it anew would cost more.
    soon_s: float = 2.0
    # How long a store or a log that is away is left alone.
    outage_s: float = 0.5


BOUNDS = Bounds()
