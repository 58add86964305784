"""Receipts name people by a second address: what comes from it later is from the same person, in the same conversation."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat4all.model.conversations import Identity
from chat4all.settings import Settings
from tests.webapp.test_webhooks import Provider, whatsapp

ANA, BIA = "+5511999990000", "+5511999990001"
ANAS_ID = "BR.1234567890"
NAMES: dict[str, tuple[dict[str, str], str]] = {
    "number and id": ({"recipient_id": ANA[1:], "recipient_user_id": ANAS_ID}, ANAS_ID),
    "id of the portfolio": ({"recipient_id": ANA[1:], "recipient_parent_user_id": "BR.ENT.12"}, "BR.ENT.12"),
}


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    provider = Provider(settings)
    provider.driver.service("crm", "send")
    yield provider
    provider.driver.close()


def status(**names: str) -> dict[str, Any]:
    told = {"id": "wamid.ours", "status": "delivered", "timestamp": "1700000000", **names}
    value = {"metadata": {"phone_number_id": "100000000000001"}, "statuses": [told]}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}


def from_user_id(provider_id: str, text: str, user_id: str) -> dict[str, Any]:
    webhook = whatsapp(provider_id, text)
    message = webhook["entry"][0]["changes"][0]["value"]["messages"][0]
    del message["from"]
    message["from_user_id"] = user_id
    return webhook


def asked(provider: Provider) -> Callable[[], int]:
    """Counts how often the store is asked who has an address."""
    store, counted = provider.driver.faults, [0]

    def counting(places: Any) -> dict[tuple[str, str], Identity]:
        counted[0] += 1
        found: dict[tuple[str, str], Identity] = store.real.owners(places)
        return found

    store.answer("owners", counting)
    return lambda: counted[0]


@pytest.mark.parametrize("names", NAMES)
def test_an_answer_under_the_user_id_finds_contact_and_conversation(provider: Provider, names: str) -> None:
    """The message went to a number; its receipt names the user id too; the answer comes under that alone."""
    told, called = NAMES[names]
    provider.driver.send("crm", to=[f"whatsapp:{ANA}"])
    [sent] = provider.driver.process()
    provider.driver.deliver(sent, "wamid.ours")
    provider.posts("whatsapp", status(**told))
    provider.posts("whatsapp", from_user_id("wamid.answer", "it is me", called))
    [answer] = [each for each in provider.driver.records() if each.message_id != sent.message_id]
    assert (answer.conversation_id, answer.sender) == (sent.conversation_id, sent.recipients[0].user_id)
    owned = provider.driver.parts.store.identities([answer.sender])[answer.sender]
    assert {(each.address, each.verified) for each in owned} == {(ANA, True), (called, False)}


def test_no_receipt_takes_an_address_from_another_person(provider: Provider) -> None:
    """Number and user id have owners already: each keeps what is theirs."""
    provider.posts("whatsapp", whatsapp("wamid.1", "hi", sender=BIA[1:]))
    provider.posts("whatsapp", from_user_id("wamid.2", "hi", ANAS_ID))
    places = [("whatsapp", BIA), ("whatsapp", ANAS_ID)]
    before = provider.driver.parts.store.owners(places)
    provider.posts("whatsapp", status(recipient_id=BIA[1:], recipient_user_id=ANAS_ID))
    assert provider.driver.parts.store.owners(places) == before
    assert len({each.user_id for each in before.values()}) == 2


def test_what_is_known_is_not_asked_again(provider: Provider) -> None:
    """Of the statuses of one person only the first costs a question; of somebody unknown nothing is remembered."""
    provider.posts("whatsapp", whatsapp("wamid.1", "hi", sender=ANA[1:]))
    questions = asked(provider)
    for _ in range(3):
        provider.posts("whatsapp", status(recipient_id=ANA[1:], recipient_user_id=ANAS_ID))
    assert questions() == 1
    for _ in range(2):
        provider.posts("whatsapp", status(recipient_id=BIA[1:], recipient_user_id="BR.2"))
    assert questions() == 3


def book(*entries: tuple[str, str, str]) -> dict[str, Any]:
    """The address book of the business app: what was done, the number, the name."""
    sync = [
        {"type": "contact", "action": action, "contact": {"phone_number": number[1:], "full_name": name}}
        for action, number, name in entries
    ]
    value = {"metadata": {"phone_number_id": "100000000000001"}, "state_sync": sync}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "smb_app_state_sync", "value": value}]}],
    }


def test_the_address_book_of_the_business_app_names_people(provider: Provider) -> None:
    """Strangers become contacts, who has no name gets one, what people call themselves stays; nothing is a dead letter."""
    store = provider.driver.parts.store
    provider.posts("whatsapp", whatsapp("wamid.1", "hi"))
    anas = store.owners([("whatsapp", ANA)])["whatsapp", ANA].user_id
    own = store.users([anas])[anas].display_name
    for _ in range(2):
        provider.posts("whatsapp", book(("add", ANA, "The baker"), ("add", BIA, "Bia Reis")))
    bias = store.owners([("whatsapp", BIA)])["whatsapp", BIA].user_id
    names = {name: user.display_name for name, user in store.users([anas, bias]).items()}
    assert names == {anas: own or "The baker", bias: "Bia Reis"}
    provider.posts("whatsapp", book(("remove", BIA, "")))
    assert store.users([bias])[bias].display_name == "Bia Reis"
    assert provider.letters() == []
