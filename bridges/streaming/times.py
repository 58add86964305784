"""How long the stream server waits for what. No settings: clients are told to count on them (docs/api.md, Streams)."""

from msgspec import Struct

from chat4all.services.access.revocations import BLIND_S, EVERY_S


class Times(Struct, frozen=True):
    """`_s`: seconds; `_ms`: milliseconds."""

    # A comment so often keeps a connection open on which nothing happens, and finds out that its reader has gone.
    heartbeat_s: float = 15.0
    # A frame that nobody takes in so long ends the stream: its reader resumes.
    write_s: float = 30.0
    # A connection without a whole request is let go; one with a stream is not idle.
    idle_s: float = 30.0
    # Changes are asked for from so long before the last event that the reader was told (docs/decisions/resume.md).
    slack_ms: int = 60_000
    # How often it is asked which logins have ended, and how long nobody may know before nobody is trusted.
    revocations_s: float = EVERY_S
    blind_s: float = BLIND_S
    # How soon it is said who came or went.
    presence_s: float = 1.0


TIMES = Times()
