"""The road with all channels at once: pairs, people on different channels, and groups, while every provider misbehaves."""

import threading
from collections import Counter

import pytest

from chat4all.channels import CHANNELS
from ops.faults.checker import check
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.mixture import FURTHEST, Feed, Mixture, Outcome, ended, trouble
from tests.end_to_end.test_kills import MISFORTUNES

MESSAGES = 3300
TALKS = 44
PER_SECOND = 80.0
SPARE = 0.13


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_everybody_reaches_everybody_once_and_in_order(system: System) -> None:
    """Four channels, users, pairs across channels and groups: nothing lost, doubled or swapped, and every delivery comes as
    far as its channel can tell.
    """
    for channel in CHANNELS:
        system.phones.behave(channel, **trouble(channel))
    with Mixture(system, TALKS) as mixture, Readers(mixture.tokens, system.stream_target) as readers:
        feed = Feed(mixture, MESSAGES)
        feed.send()
        outcome = Outcome(feed, readers)
        wait_until("everything arrived", lambda: outcome.missing() == 0, 240, between_s=2)
        wait_until("every delivery came to its end", lambda: outcome.unfinished() == 0, 120, between_s=2)
        report = check(outcome.history())
        messages, misplaced, resends = outcome.messages(), outcome.misplaced(), outcome.resends()
    assert report.good, report.summary()
    assert (misplaced, resends) == ([], {})
    assert len(messages) == MESSAGES
    assert {each.channel: each.state for each in ended(messages)} == FURTHEST


@pytest.mark.end_to_end
@pytest.mark.timeout(900)
def test_nothing_is_lost_on_any_channel_while_everything_dies_once(system: System) -> None:
    """Under a live feed every process is killed once and the broker is wiped: nothing lost, all in order. A provider sees at
    most one message twice per (conversation, address), and the system knows of each.
    """
    for channel in CHANNELS:
        system.phones.behave(channel, **trouble(channel))
    with Mixture(system, TALKS) as mixture, Readers(mixture.tokens, system.stream_target) as readers:
        feed = Feed(mixture, MESSAGES)
        sender = threading.Thread(target=feed.send, args=(PER_SECOND,))
        sender.start()
        for number, misfortune in enumerate(MISFORTUNES, 1):
            due = int(MESSAGES * SPARE * number)
            wait_until(f"{due} accepted", lambda due=due: len(feed.said) >= due, 120)  # type: ignore[misc]
            misfortune(system)
        sender.join(240)
        outcome = Outcome(feed, readers)
        wait_until("everything arrived", lambda: outcome.missing() == 0, 240, between_s=2)
        wait_until("every delivery came to its end", lambda: outcome.unfinished() == 0, 120, between_s=2)
        report = check(outcome.history())
        misplaced, resends = outcome.misplaced(), outcome.resends()
    assert len(feed.said) == MESSAGES
    assert (report.lost, report.inversions, report.strangers, report.backwards) == ([], [], [], []), report.summary()
    assert (report.doubled_in, misplaced) == ({}, [])
    talks = {each.message_id: each.talk.conversation_id for each in feed.said}
    per_key = Counter((to, talks[message_id]) for message_id, to in report.doubled_out)
    assert set(report.doubled_out.values()) <= {1}
    assert set(per_key.values()) <= {1}, "more than one per key in flight"
    assert {message_id for message_id, _ in report.doubled_out} <= resends.keys(), "sent again and not counted"
