"""Two WhatsApp numbers of one app, and two Telegram bots, through real processes: each person has one of them to talk to."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.harness.api import Api
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.conftest import QUICK

NUMBERS = ("200000000000001", "200000000000002")
BOTS = ("2000000001", "2000000002")
ANSWERED_S = 30.0
IN_FORCE_S = 2.0
# By account, who writes to it.
PEOPLE = {
    ("whatsapp", NUMBERS[0]): "+5511999990001",
    ("whatsapp", NUMBERS[1]): "+5511999990002",
    ("telegram", BOTS[0]): "500001",
    ("telegram", BOTS[1]): "500002",
}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """One whose connected accounts are the simulator's."""
    made = System(tmp_path / "data", QUICK)
    settings = made.settings
    made.env["CHAT4ALL_PUBLIC_URL"] = f"http://127.0.0.1:{settings.gateway_port}"
    for channel in ("whatsapp", "telegram"):
        made.env[f"{channel.upper()}_API_URL"] = f"{settings.simulator_url}/{channel}"
    with made:
        yield made


def connected(system: System, operator: Api, channel: str, account: str) -> str:
    """An account that the provider has confirmed and that tells us what comes; its id."""
    settings = system.settings
    if channel == "telegram":
        token = f"{account}:{settings.secret('telegram_token')}"
        given: dict[str, Any] = {"credentials": {"bot_token": token, "webhook_secret": f"secret-{account}"}}
    else:
        names = {"token": "whatsapp_token", "app_secret": "whatsapp_app_secret", "verify_token": "whatsapp_verify_token"}
        secrets = {name: settings.secret(each) for name, each in names.items()}
        given = {"provider_account_id": account, "credentials": secrets}
    made = operator.call("POST", "/v1/accounts", {"channel": channel} | given, expect=(201,))
    found = operator.call("POST", f"/v1/accounts/{made['account_id']}/check", {})
    assert found["account"]["state"] == "active", found
    if channel == "telegram":
        # As `connect` does where there is TLS in front of the gateway.
        hook = {"url": made["webhook_url"], "secret_token": f"secret-{account}"}
        answer = requests.post(f"{settings.simulator_url}/telegram/bot{token}/setWebhook", json=hook, timeout=10)
        answer.raise_for_status()
    return str(made["account_id"])


def arrived(system: System, channel: str, person: str) -> list[tuple[str, str]]:
    """What a person has got: the words, and from which account."""
    return [(each["text"], each["account"]) for each in system.phones.sent(channel, person)]


@pytest.mark.end_to_end
@pytest.mark.timeout(240)
def test_each_person_is_answered_from_the_account_that_they_wrote_to(system: System) -> None:
    """Then one writes to the other number and is answered from there; `via` chooses; one account is paused and slows nobody."""
    with system.operator() as operator:
        ids = {place: connected(system, operator, *place) for place in PEOPLE}
        conversations = {place: written(system, operator, place, person) for place, person in PEOPLE.items()}
        for place, person in PEOPLE.items():
            answer(operator, conversations[place], f"to {person}")
        for (channel, account), person in PEOPLE.items():
            wait_until("answered", lambda: (f"to {person}", account) in arrived(system, channel, person), ANSWERED_S)  # noqa: B023
        one, two = (("whatsapp", each) for each in NUMBERS)
        person = PEOPLE[one]
        home = written(system, operator, two, person)
        answer(operator, home, "from the other")
        wait_until("answered", lambda: ("from the other", NUMBERS[1]) in arrived(system, "whatsapp", person), ANSWERED_S)
        operator.call("POST", f"/v1/accounts/{ids[two]}/pause", {})
        # By then it is in force everywhere: that is promised.
        time.sleep(IN_FORCE_S)
        waits = answer(operator, home, "waits")
        answer(operator, home, "chosen", via=ids[one])
        wait_until("answered", lambda: ("chosen", NUMBERS[0]) in arrived(system, "whatsapp", person), ANSWERED_S)
        [delivery] = operator.call("GET", f"/v1/messages/{waits}")["deliveries"]
        assert (delivery["status"], delivery["reason"], delivery["account_id"]) == ("PENDING", "account_paused", ids[two])
        operator.call("POST", f"/v1/accounts/{ids[two]}/resume", {})
        wait_until("goes on", lambda: ("waits", NUMBERS[1]) in arrived(system, "whatsapp", person), ANSWERED_S)
    for (channel, account), who in PEOPLE.items():
        got = [text for text, _ in arrived(system, channel, who)]
        assert len(got) == len(set(got)), (channel, account)


def written(system: System, operator: Api, place: tuple[str, str], person: str) -> str:
    """A person writes to an account; the conversation in which that came."""
    channel, account = place
    words = f"{person} to {account}"
    system.phones.write(channel, person, words, account=account)
    found: list[str] = []

    def came() -> bool:
        found[:] = [name for name, said in heard(operator) if said == words]
        return bool(found)

    wait_until("it came", came, ANSWERED_S)
    return found[0]


def heard(operator: Api) -> list[tuple[str, str]]:
    """What people wrote lately, each with its conversation."""
    found: list[dict[str, Any]] = operator.call("GET", "/v1/conversations?limit=50")["conversations"]
    names = [each["conversation_id"] for each in found]
    return [
        (name, each["payload"].get("text", ""))
        for name in names
        for each in operator.call("GET", f"/v1/conversations/{name}/messages")["messages"]
    ]


def answer(operator: Api, conversation_id: str, text: str, **more: str) -> str:
    """Say this in a conversation, in the channel's name; the message's id."""
    found = operator.call("GET", f"/v1/conversations/{conversation_id}")
    inbox = next(each["user_id"] for each in found["members"] if each["user_id"].startswith("inbox-"))
    body = {"conversation_id": conversation_id, "from": inbox, "payload": {"type": "text", "text": text}} | more
    return str(operator.call("POST", "/v1/messages", body, expect=(202,))["message_id"])
