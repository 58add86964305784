"""When an event is tried again, and when it has come to its end. Pure: times are seconds, `random` is from 0 to 1."""

MINUTE_S, HOUR_S = 60.0, 3600.0
# The schedule of the Standard Webhooks specification: before the second try, the third and so on. 75 hours in all.
WAITS_S = (
    5.0,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
TRIES = len(WAITS_S) + 1
WHOLE_S = sum(WAITS_S)
# An endpoint that is down is asked at least so often, whatever became of single events: it may be back.
PROBE_MOST_S = 5 * MINUTE_S
# Without one success for so long it is disabled.
GIVEN_UP_S = 5 * 24 * HOUR_S
# What an endpoint may ask for by Retry-After.
ASKED_MOST_S = 24 * HOUR_S
JITTER = 0.2


def wait_s(refusals: int, random: float, scale: float = 1.0, asked_s: float = 0.0) -> float | None:
    """How long an event waits after so many refusals in a row (1 or more); None: it has had all its tries.

    `asked_s`: what the endpoint asked for, which is obeyed where it is longer, within bounds.
    """
    if refusals >= TRIES:
        return None
    usual = WAITS_S[refusals - 1] * scale * (1 + JITTER * random)
    return max(usual, min(asked_s, ASKED_MOST_S))


def probe_s(refusals: int, random: float, scale: float = 1.0, asked_s: float = 0.0) -> float:
    """How long an endpoint that is down is left alone, after so many calls in a row (1 or more) that failed."""
    usual = min(WAITS_S[min(refusals, len(WAITS_S)) - 1], PROBE_MOST_S) * scale * (1 + JITTER * random)
    return max(usual, min(asked_s, ASKED_MOST_S))
