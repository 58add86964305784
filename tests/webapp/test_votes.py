"""Votes in polls that went out, from the webhook to the log: where they belong, whose they are, and what they say."""

from typing import Any

import pytest

from chat4all.model.content import Answer, Text, Vote
from chat4all.model.deliveries import Facts, together
from chat4all.model.messages import Message
from chat4all.ports import Handle, Spoken
from tests.webapp.driver import Driver
from tests.webapp.test_webhooks import Provider, start

__all__ = ["start"]

BOT, POLL = "1000000001", "poll:521"
INES, CAIO = {"id": 6010, "is_bot": False, "first_name": "Ines"}, {"id": 6020, "is_bot": False, "first_name": "Caio"}
GROUP = "-1005550001"
QUESTION = {"type": "poll", "question": "When?", "options": ["Nine", "Ten", "11 or so"]}


@pytest.fixture
def provider(start: Any) -> Provider:
    begun: Provider = start()
    begun.driver.service("crm", "send", "manage")
    return begun


def asked(driver: Driver, to: str, **more: Any) -> Message:
    """A poll that somebody was asked on a channel; nobody has taken it yet."""
    body = {"payload": QUESTION | more, "to": [to]}
    told = driver.ask("crm", "POST", "/v1/messages", body, 202)
    driver.process()
    return next(each for each in driver.records() if each.message_id == told["message_id"])


def taken(driver: Driver, message: Message, ids: str = together((f"{GROUP}:8", POLL)), account: str = BOT) -> None:
    """What a lane writes once the provider has it."""
    [row] = driver.rows(message)
    channel = row.key.lane.channel
    handles = [Handle(channel, account, each, row.key) for each in ids.split("\x1f")]
    spoken = {(channel, row.address): (Spoken(message.conversation_id, message.seq).text, 2)}
    driver.parts.store.record({row.key: Facts(attempts=1, sent_at=2, provider_id=ids)}, handles, spoken)


def votes(provider: Provider, number: int, who: dict[str, Any], *options: int, after_ms: int = 0) -> list[Message]:
    """Somebody votes; what came of it."""
    before = {each.message_id for each in provider.driver.records()}
    answer = {"poll_id": "521", "user": who, "option_ids": options}
    provider.posts("telegram", {"update_id": number, "poll_answer": answer})
    if after_ms:
        provider.driver.look_again(after_ms)
    return [each for each in provider.driver.records() if each.message_id not in before]


def test_each_member_of_a_group_has_a_vote_in_its_conversation(provider: Provider) -> None:
    """The vote says neither chat nor message: the poll leads there; each votes, and takes back, for themselves."""
    poll = asked(provider.driver, f"telegram:{GROUP}")
    taken(provider.driver, poll)
    [one], [other], [gone] = votes(provider, 1, INES, 1), votes(provider, 2, CAIO, 0), votes(provider, 3, INES)
    assert [each.payload for each in (one, other, gone)] == [
        Vote(poll.message_id, (2,)), Vote(poll.message_id, (1,)), Vote(poll.message_id),
    ]  # fmt: skip
    assert {each.conversation_id for each in (one, other, gone)} == {poll.conversation_id}
    said = [(each.sender, each.sender_name, each.origin and each.origin.speaker_id) for each in (one, other, gone)]
    group = poll.recipients[0].user_id
    assert said == [(group, "Ines", "6010"), (group, "Caio", "6020"), (group, "Ines", "6010")]


def test_a_vote_alone_with_the_bot_is_the_persons_own(provider: Provider) -> None:
    """Nobody shares their address: no name stands beside it."""
    poll = asked(provider.driver, "telegram:6010")
    taken(provider.driver, poll, together(("6010:8", POLL)))
    [vote] = votes(provider, 1, INES, 2)
    assert (vote.conversation_id, vote.payload) == (poll.conversation_id, Vote(poll.message_id, (3,)))
    assert (vote.sender, vote.sender_name, vote.origin and vote.origin.speaker_id) == (poll.recipients[0].user_id, "", "")
    assert votes(provider, 1, INES, 2) == []


@pytest.mark.parametrize("known_in_time", [True, False])
def test_a_vote_waits_for_its_poll(provider: Provider, known_in_time: bool) -> None:
    """It overtakes the answer to our send: it lands in the group all the same. Else it is told where they write."""
    poll = asked(provider.driver, f"telegram:{GROUP}")
    assert votes(provider, 1, INES, 1) == []
    if known_in_time:
        taken(provider.driver, poll)
    provider.driver.look_again(61_000)
    vote = provider.driver.records()[-1]
    if known_in_time:
        assert (vote.conversation_id, vote.payload) == (poll.conversation_id, Vote(poll.message_id, (2,)))
    else:
        assert vote.conversation_id != poll.conversation_id
        assert vote.payload == Vote(options=(2,))


def test_a_poll_that_tells_no_names_is_counted(provider: Provider) -> None:
    """How many chose what, of the chat that it went to; of a poll that nobody knows there is nothing to tell, and no 5xx."""
    poll = asked(provider.driver, f"telegram:{GROUP}")
    taken(provider.driver, poll)
    options = [{"text": "Nine", "voter_count": 3}, {"text": "Ten", "voter_count": 1}, {"text": "11", "voter_count": 0}]
    state = {"id": "521", "question": "When?", "options": options, "is_anonymous": True}
    provider.posts("telegram", {"update_id": 5, "poll": state})
    counted = provider.driver.records()[-1]
    assert (counted.conversation_id, counted.payload) == (poll.conversation_id, Vote(poll.message_id, counts=(3, 1, 0)))
    known = len(provider.driver.records())
    provider.posts("telegram", {"update_id": 6, "poll": state | {"id": "522"}})
    provider.driver.look_again(61_000)
    assert len(provider.driver.records()) == known


WRITTEN: list[tuple[bool, str, tuple[int, ...]]] = [
    (False, "2", (2,)), (False, "ten", (2,)), (False, "11 or so", (3,)), (False, "1, 3", ()), (False, "4", ()),
    (False, "yes", ()), (True, "1, 3", (1, 3)), (True, "3 1", (3, 1)), (True, "2", (2,)), (True, "1, 4", ()),
    (True, "1 or 2", ()), (True, "1 1", (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("multiple", "text", "options"), WRITTEN)
def test_where_a_poll_is_a_numbered_list_people_vote_in_words(
    provider: Provider, multiple: bool, text: str, options: tuple[int, ...]
) -> None:
    """By a number or what stands there, and by several where it takes several; all else is words."""
    driver = provider.driver
    poll = asked(driver, "whatsapp:+5511999990000", multiple=multiple)
    account = driver.parts.channels["whatsapp"].account.account_id
    taken(driver, poll, "wamid.POLL", account)
    written = {"id": "wamid.1", "from": "5511999990000", "timestamp": "1700000000", "type": "text", "text": {"body": text}}
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": account}, "messages": [written]}
    provider.posts(
        "whatsapp", {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": value}]}]}
    )
    said = driver.records()[-1].payload
    assert not isinstance(said, Answer)
    assert said == (Vote(poll.message_id, options) if options else Text(text))
