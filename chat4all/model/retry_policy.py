"""How the sends of a channel's account are tried again after the provider refused, failed or left us without an answer."""

from msgspec import Struct


class RetryPolicy(Struct, frozen=True):
    """Waits in seconds. A deployment has one (settings); a channel may have its own, beside its limits.

    `backoff_first_s`, `backoff_most_s`: the longest waits before the second attempt and between any two; they double, with
    full jitter. `unknown_grace_s`: how long an outcome that is not known waits for a receipt before it is sent again.
    `breaker_failures`: so many temporary failures in a row hold the account's sends back; one probe goes every
    `breaker_probe_s`.
    """

    backoff_first_s: float
    backoff_most_s: float
    unknown_grace_s: float
    breaker_failures: int
    breaker_probe_s: float
