"""Answers to choices: by a press, a number or a title, once, and only to what the person can have read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model import option_tokens
from chat4all.model.content import Answer, Option, Reaction, Text
from chat4all.model.deliveries import DeliveryKey, Lane
from chat4all.model.messages import Message
from chat4all.ports import Inbound, Spoken
from chat4all.services.inbound.pointers import Pointed, pointed
from chat4all.services.inbound.typed_answers import chosen
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob")
CLIENTS = {"crm": ("send", "manage")}
CARLA, DORA = "+5511999990000", "+5511999990001"
OPTIONS = [{"id": "t" * 200, "title": "Tea"}, {"id": "coffee", "title": "Coffee, black"}]
AT = 1_700_000_000_000
NUMBERS = st.integers(1, 50)


def asked(driver: Driver, at: int = 2, to: str = CARLA, provider_id: str = "asked") -> Message:
    """Alice offers choices to an address, and the provider takes them."""
    payload = {"type": "choices", "text": "Tea or coffee?", "options": OPTIONS}
    told = driver.ask("crm", "POST", "/v1/messages", {"from": "alice", "to": [f"whatsapp:{to}"], "payload": payload}, 202)
    driver.process()
    message = next(each for each in driver.records() if each.message_id == told["message_id"])
    driver.deliver(message, provider_id, at)
    driver.parts.store.record({}, spoken={("whatsapp", to): (Spoken(message.conversation_id, message.seq).text, at)})
    return message


def answered(driver: Driver, text: str, provider_id: str, address: str = CARLA, **more: Any) -> Any:
    record = driver.writes("whatsapp", address, text, provider_id, **more)
    driver.process()
    return record.payload


@pytest.mark.parametrize("text", ["2", " 2. ", "(2)", "#2", "coffee, BLACK", "Coffee, black "])
def test_a_number_or_a_title_chooses(gateway: Driver, text: str) -> None:
    """As a press does: the answer names the question and the option as its sender called it; the words stay readable."""
    question = asked(gateway)
    payload = answered(gateway, text, "p1")
    assert payload == Answer(question.message_id, "coffee", "Coffee, black")
    assert payload.as_text() == "Coffee, black"


@pytest.mark.parametrize("text", ["3", "0", "22", "tea please", "two", "2 2", "-1", "½"])
def test_all_else_stays_words(gateway: Driver, text: str) -> None:
    """No option is guessed."""
    asked(gateway)
    assert answered(gateway, text, "p1") == Text(text)


def test_the_first_answer_wins(gateway: Driver) -> None:
    """What is said again, under another id, is words; the same webhook again is the same answer."""
    question = asked(gateway)
    assert answered(gateway, "1", "p1") == Answer(question.message_id, "t" * 200, "Tea")
    assert answered(gateway, "2", "p2") == Text("2")
    known = len(gateway.records())
    gateway.webhook("whatsapp", {"type": "inbound", "address": CARLA, "text": "1", "provider_id": "p1"})
    assert len({each.message_id for each in gateway.records()}) == known


def test_what_was_not_sent_yet_is_not_answered(gateway: Driver) -> None:
    """She wrote before the choices left, or something else was said to her since: a number is a number."""
    asked(gateway, at=AT + 60_000)
    assert answered(gateway, "1", "p1") == Text("1")
    told = gateway.send("crm", "and now?", sender="alice", to=[f"whatsapp:{CARLA}"])
    gateway.process()
    message = next(each for each in gateway.records() if each.message_id == told["message_id"])
    gateway.deliver(message, "later", 5)
    assert answered(gateway, "2", "p2") == Text("2")


def test_somebody_else_answers_nothing(gateway: Driver) -> None:
    """Choices that went to Carla are none of Dora's."""
    asked(gateway)
    assert answered(gateway, "1", "p1", DORA) == Text("1")


def inbound(**more: Any) -> Inbound:
    return Inbound("whatsapp", "whatsapp-account", "p9", CARLA, "x", AT, **more)


def test_a_press_names_its_question_and_option(gateway: Driver) -> None:
    """By our token, whoever brings it: it must have gone to this very address, and its number must be one of the options."""
    question = asked(gateway)
    store = gateway.parts.store
    [row] = gateway.rows(question)
    right = option_tokens.token(str(row.key), 2)
    wrong = [option_tokens.token(str(row.key), 3), option_tokens.token("whatsapp:0:99999:0", 1), "coffee", "", "#1",
             "x:1:99999999999999999999:0#1", "x:99999999999:1:0#1", "x:0:1:0#99999999999999999999"]  # fmt: skip
    home = question.conversation_id
    [found] = pointed(store, [(inbound(option=right), home)])
    assert found == Pointed(about=question.message_id, option=(question.message_id, "coffee", "Coffee, black"))
    assert [each.option for each in pointed(store, [(inbound(option=each), home) for each in wrong])] == [None] * len(wrong)
    of_dora = Inbound("whatsapp", "whatsapp-account", "p9", DORA, "x", AT, option=right)
    assert pointed(store, [(of_dora, home)]) == [Pointed()]


def test_reactions_and_replies_find_what_went_out_and_what_came_in(gateway: Driver) -> None:
    """By the provider's id: of a send that went to this address, or of what this conversation got; else it is not known."""
    question = asked(gateway)
    hers = gateway.writes("whatsapp", CARLA, "hello", "hers")
    store, home = gateway.parts.store, question.conversation_id
    assert pointed(store, [(inbound(reply_to="asked"), home)]) == [Pointed(reply_to=question.message_id)]
    assert pointed(store, [(inbound(about="hers", content=Reaction("", "👍")), home)]) == [Pointed(about=hers.message_id)]
    assert pointed(store, [(inbound(about="nobody's", reply_to="neither"), home)]) == [Pointed()]
    asked(gateway, to=DORA, provider_id="to Dora")
    assert pointed(store, [(inbound(reply_to="to Dora"), home)]) == [Pointed()]


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=12, unique_by=str.casefold))
def test_only_what_was_offered_is_chosen(text: str, titles: list[str]) -> None:
    """Whatever people write and options are called."""
    options = [Option(str(number), title) for number, title in enumerate(titles)]
    found = chosen(text, options)
    assert found is None or found in options
    for number, option in enumerate(options, 1):
        assert chosen(f"{number}.", options) == option


@given(
    st.sampled_from(["whatsapp", "telegram"]),
    st.integers(0, 99),
    st.integers(1, 2**45),
    st.integers(0, 9999),
    st.integers(1, 50),
)
def test_a_token_is_short_and_comes_back(channel: str, partition: int, seq: int, index: int, number: int) -> None:
    """Telegram carries 64 bytes."""
    key = DeliveryKey(Lane(channel, partition), seq, index)
    token = option_tokens.token(str(key), number)
    assert len(token.encode()) <= 64
    assert option_tokens.read(token) == (key, number)
