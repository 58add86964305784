"""The whole road, through real processes."""

import pytest

from ops.faults.checker import check
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.crowd import TROUBLE, Crowd, Feed, Outcome

MESSAGES = 5000
TALKS = 50


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_every_message_arrives_once_in_order_and_is_read(system: System) -> None:
    """5,000 messages, a fifth said twice, providers that refuse and repeat: nothing lost, doubled, swapped or unread."""
    system.phones.behave("whatsapp", **TROUBLE)
    with Crowd(system, TALKS) as crowd, Readers(crowd.tokens, system.stream_target) as readers:
        feed = Feed(crowd, MESSAGES)
        feed.send()
        outcome = Outcome(feed, readers)
        wait_until("everything arrived", lambda: outcome.missing() == 0, 240, between_s=2)
        wait_until("everything was read", lambda: {each.state for each in outcome.ended()} == {"READ"}, 120, between_s=2)
        report = check(outcome.history())
    assert report.good, report.summary()
    assert len(feed.accepted) == MESSAGES
    assert not outcome.resends()
