"""The OpenAPI document holds for the running system: gunicorn, the real channels, and everything behind them."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ops.harness.api import Api
from ops.harness.system import System
from ops.harness.waiting import wait_until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

EXAMPLES = settings(
    max_examples=4,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALL_S = 15
PERSON = "+5531999990000"
# They end the login of whoever asks, which would leave the rest to somebody who may do nothing.
LOGS_OUT = {("POST", "/auth/logout"), ("DELETE", "/auth/session")}


@pytest.fixture(scope="module")
def system(shared_system: System) -> System:
    return shared_system


@pytest.fixture(scope="module")
def operator(system: System) -> Iterator[Api]:
    """Somebody who may do everything."""
    api = system.operator()
    yield api
    api.close()


def known(operator: Api) -> dict[str, str]:
    """Path parameters that name things which exist."""
    members = {"type": "group", "members": ["alice", "bob", f"whatsapp:{PERSON}"]}
    talk = operator.call("POST", "/v1/conversations", members)["conversation_id"]
    message = operator.send({"from": "alice", "conversation_id": talk, "payload": {"type": "text", "text": "hello"}})
    # Calls disable and log out whom they name.
    spare = f"spare-{uuid4().hex[:8]}"
    operator.call("POST", "/v1/users", {"user_id": spare, "password": "correct horse battery"})
    operator.call("GET", f"/v1/messages/{message['message_id']}?wait=10")
    named = {"conversation_id": talk, "message_id": message["message_id"], "user_id": spare}
    return {**named, "channel": "whatsapp", "address": PERSON}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_call_answers_as_documented(system: System, operator: Api, mode: GenerationMode) -> None:
    """Whatever the document allows or forbids, over HTTP: never a 5xx, always an answer of the document."""
    document = schemathesis.openapi.from_url(f"{system.settings.gateway_url}/openapi.json")
    # The stream of events is another server's.
    served = document.exclude(path="/v1/events")
    operations = [each.ok() for each in served.get_all_operations() if isinstance(each, Ok)]
    named = operator.call("GET", "/openapi.json")["paths"]
    assert len(operations) == sum(len(each) for each in named.values()) - 2
    parameters, headers = known(operator), {"Authorization": f"Bearer {operator.token}"}
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue

        @settings(EXAMPLES)
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Any) -> None:
            for name in parameters.keys() & (case.path_parameters or {}).keys():
                case.path_parameters[name] = parameters[name]
            ends = (case.method.upper(), case.path) in LOGS_OUT
            case.call_and_validate(headers={} if ends else headers, checks=CHECKS, timeout=CALL_S)

        holds()


def test_the_system_goes_on_after_all_that(system: System, operator: Api) -> None:
    """Nothing of it stands in anybody's way: a message still comes to somebody's phone."""
    words = str(uuid4())
    operator.send({"from": "bob", "to": ["whatsapp:+5531999990001"], "payload": {"type": "text", "text": words}})
    phone = system.phones
    wait_until("it arrived", lambda: [each["text"] for each in phone.sent("whatsapp", "+5531999990001")] == [words], 60)
