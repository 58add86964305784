"""Windows: what a rule makes of when somebody wrote, and which of two times counts."""

from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.windows import ALWAYS, WindowRule
from chat4all.ports import Inbound
from chat4all.services.windows import opened_windows
from ops.channels import declared

TIMES = st.integers(1, 2**42)


def test_each_channel_declares_its_window() -> None:
    """As the providers' documents have it: a day, templates apart, on Meta's; a bot must have been started."""
    day = 24 * 3600
    assert {name: limits.window for name, limits in declared().items()} == {
        "whatsapp": WindowRule(day, exempt=frozenset({"template"})),
        "instagram": WindowRule(day, human_s=7 * day),
        "messenger": WindowRule(day, human_s=7 * day),
        "telegram": WindowRule(first=True),
    }


@given(TIMES, st.integers(1, 10**6), TIMES)
def test_a_window_is_open_from_their_message_to_its_end(wrote: int, open_s: int, now: int) -> None:
    """And not a millisecond longer; for whoever never wrote, never."""
    rule = WindowRule(open_s)
    assert rule.window(wrote).is_open(now) == (now < wrote + open_s * 1000)
    assert not rule.window(0).is_open(now)
    assert ALWAYS.window(0).is_open(now)


@given(TIMES, TIMES)
def test_people_may_write_on_after_the_window_and_never_within_it(wrote: int, now: int) -> None:
    """From the end of the day to the end of the week; where there is no such week, and of whoever never wrote, never."""
    rule = WindowRule(86_400, human_s=7 * 86_400)
    window = rule.window(wrote)
    assert window.needs_human(now) == (wrote + 86_400_000 <= now < wrote + 7 * 86_400_000)
    assert not (window.needs_human(now) and window.is_open(now))
    assert not rule.window(0).needs_human(now)
    assert not WindowRule(86_400).window(wrote).needs_human(now)


@given(st.lists(st.tuples(TIMES, st.sampled_from(["1", "2"]), st.sampled_from(["", "US.1"])), max_size=9), TIMES)
def test_a_provider_cannot_open_a_window_in_the_future(said: list[tuple[int, str, str]], arrived: int) -> None:
    """The newest message counts, none later than it came; both addresses of one person."""
    wrote = [Inbound("whatsapp", "7", "p", address, "hi", at, also_known_as=other) for at, address, other in said]
    opened = opened_windows(wrote, arrived)
    assert set(opened) == {("whatsapp", name, "7") for _, one, other in said for name in (one, other) if name}
    for (_, address, _), at in opened.items():
        assert at == max(min(when, arrived) for when, one, other in said if address in (one, other))
