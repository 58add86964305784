"""Trace contexts as text: what is read, and how people are shown them."""

import pytest

from chat4all.cli.printing import timeline
from chat4all.telemetry import trace_context, tracing
from tests.spans import recording

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-02", f"00-{TRACE}-{SPAN}-00"),
        (f"cc-{TRACE}-{SPAN}-ff-more", f"00-{TRACE}-{SPAN}-01"),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", ""),
        ("", ""),
    ],
)
def test_a_callers_context_is_read_as_the_standard_says(given: str, kept: str) -> None:
    """Well-formed ones of any version, with the one flag that we know; nothing else."""
    assert trace_context.read(given) == kept


def test_a_step_says_of_which_workspace_its_message_is() -> None:
    """By the id of the conversation as it is stored; of `default`, and where nothing is known of it, nothing."""
    sampled = f"00-{TRACE}-{SPAN}-01"
    with recording() as recorded:
        for number, home in enumerate(("acme/talk", "talk", "")):
            tracing.hop("attempt", sampled, f"m{number}", home, attempt=1).__exit__(None, None, None)
            tracing.mark("receipt", sampled, f"m{number}", home=home)
        said = [(each.attributes or {}).get("workspace") for each in recorded.of(TRACE)]
    assert said == ["acme", "acme", None, None, None, None]


def test_a_new_context_is_one_that_nobody_records() -> None:
    """It is well-formed, new each time, and not sampled."""
    one, other = trace_context.new(), trace_context.new()
    assert trace_context.read(one) == one
    assert one != other
    assert not tracing.is_sampled(one)


def test_people_are_shown_the_trace() -> None:
    """`chat4all status` has a line with the id that finds the trace."""
    shown = {"message_id": "m", "status": "SENT", "partially_failed": False, "deliveries": [], "trace_id": TRACE}
    assert f"  trace      {TRACE}" in timeline(shown | {"accepted_at": "2026-01-01T00:00:00.000Z"})
