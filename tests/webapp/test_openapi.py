"""The OpenAPI document holds: whatever it allows or forbids is answered as it says, and never with a 5xx."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from limits.storage import MemoryStorage
from pydantic import BaseModel
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat4all.model.event_types import TYPES
from chat4all.services.webhooks.signing import signed
from chat4all.settings import Settings
from tests.webapp.channels import both
from tests.webapp.driver import Driver
from webapp.app import create_app

EXAMPLES = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One gateway for all operations, with somebody who may do everything and a conversation."""
    data: Path = tmp_path_factory.mktemp("openapi")
    driver = Driver(
        create_app(Settings(data=data, partitions=2, broker="memory://", search="sqlite:search.db"), both(), MemoryStorage())
    )
    driver.service("root", "admin")
    driver.people("alice", "bob", "carol")
    yield driver
    driver.close()


def known(driver: Driver) -> dict[str, str]:
    """Path parameters that name things which exist."""
    talk = driver.group("root", "alice", "bob", "carol")
    driver.send("alice", conversation_id=talk)
    message = driver.process()[-1]
    return {
        "conversation_id": talk,
        "message_id": message.message_id,
        # Her logins are ended and her account is disabled on the way.
        "user_id": "carol",
        "channel": "whatsapp",
        "address": "+5511999990000",
    }


def check(driver: Driver, mode: GenerationMode, parameters: dict[str, str]) -> None:
    """Every operation, with generated input in an administrator's name. `parameters` take the place of generated ones."""
    headers = {"Authorization": f"Bearer {driver.tokens['root']}"}
    document = schemathesis.openapi.from_wsgi("/openapi.json", driver.app)
    # The stream of events is another server's.
    served = document.exclude(path="/v1/events")
    operations = [each.ok() for each in served.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == sum(len(each) for each in driver.ask(None, "GET", "/openapi.json")["paths"].values()) - 2
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue

        @settings(EXAMPLES)
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Any) -> None:
            for name in parameters.keys() & (case.path_parameters or {}).keys():
                case.path_parameters[name] = parameters[name]
            # Logging out with it would leave the rest to somebody who may do nothing.
            case.call_and_validate(headers={} if case.path in {"/auth/logout", "/auth/session"} else headers, checks=CHECKS)

        holds()


def test_every_call_answers_as_documented(driver: Driver) -> None:
    """What the document allows: statuses, content types and bodies of the answers are those of the document."""
    check(driver, GenerationMode.POSITIVE, {})


def test_calls_on_what_exists_answer_as_documented(driver: Driver) -> None:
    """The same on a conversation, a user and a message that exist: the answers of success hold too."""
    check(driver, GenerationMode.POSITIVE, known(driver))


def test_what_the_document_forbids_is_refused_as_documented(driver: Driver) -> None:
    """Bodies and parameters of any shape: never a 5xx, always an answer of the document."""
    check(driver, GenerationMode.NEGATIVE, known(driver))


def operations(driver: Driver) -> dict[str, dict[str, Any]]:
    """Every operation of the document by its name."""
    paths = driver.ask(None, "GET", "/openapi.json")["paths"].values()
    return {each["operationId"]: each for path in paths for each in path.values() if isinstance(each, dict)}


def webhooks(driver: Driver) -> dict[str, Any]:
    """What endpoints are sent, by type of event."""
    found: dict[str, Any] = driver.ask(None, "GET", "/openapi.json")["webhooks"]
    return found


def test_webhooks_are_documented_with_examples_that_hold(driver: Driver) -> None:
    """Every type of event, with its headers; each example is what its schema says, and a schema allows fields to come."""
    document = driver.ask(None, "GET", "/openapi.json")
    assert set(document["webhooks"]) == set(TYPES)
    for name, path in document["webhooks"].items():
        [body] = path["post"]["requestBody"]["content"].values()
        assert {each["name"] for each in path["post"]["parameters"]} == set(signed([], "", 0, b""))
        schema = {**body["schema"], "components": document["components"]}
        for example in body["examples"].values():
            assert example["value"]["type"] == name
            jsonschema_rs.validate(schema, example["value"], validate_formats=True)
            more = example["value"] | {"new": 1, "data": example["value"]["data"] | {"new": 1}}
            jsonschema_rs.validate(schema, more, validate_formats=True)
            with pytest.raises(jsonschema_rs.ValidationError):
                jsonschema_rs.validate(schema, example["value"] | {"data": {}})


def test_names_and_summaries_are_fit_for_generated_clients(driver: Driver) -> None:
    """An operation is called what a programmer would call it, once; a menu shows a line, not a paragraph."""
    named = operations(driver) | {each["post"]["operationId"]: each["post"] for each in webhooks(driver).values()}
    assert len(named) == sum("operationId" in each for each in json.dumps(driver.ask(None, "GET", "/openapi.json")).split(","))
    assert {"sendMessage", "listMessages", "createConversation", "streamEvents"} <= named.keys()
    assert [name for name in named if not re.fullmatch(r"[a-z]+([A-Z][a-z]*)*", name)] == []
    assert [name for name, each in named.items() if len(each["summary"]) > 90 or not each["description"]] == []


def test_no_two_models_have_one_name(driver: Driver) -> None:
    """The document has one schema for each name: of two models called alike one would stand for both."""
    assert operations(driver)
    models = [each for each in descended(BaseModel) if each.__module__.startswith("webapp.")]
    names = Counter(each.__name__ for each in models)
    assert [name for name, count in names.items() if count > 1] == []


def descended(kind: type[BaseModel]) -> set[type[BaseModel]]:
    """All models that are made of this one."""
    below = kind.__subclasses__()
    return {*below, *(each for one in below for each in descended(one))}


def test_a_file_is_documented_as_the_form_that_it_is(driver: Driver) -> None:
    """A generated client sends multipart, with the file as bytes."""
    content = operations(driver)["uploadFile"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]


def test_examples_work_when_they_are_pasted(driver: Driver) -> None:
    """What Swagger UI offers as a body is accepted: nobody's first answer is a 422."""
    driver.people("carol", "dora")
    talk = driver.group("dora", "bob")
    tried = 0
    for path, methods in driver.ask(None, "GET", "/openapi.json")["paths"].items():
        for method, operation in ((each, found) for each, found in methods.items() if each != "servers"):
            example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            if example is None or operation["operationId"] in {"logIn", "registerUser"}:
                continue
            answer = driver.call("dora", method.upper(), path.replace("{conversation_id}", talk), example)
            assert answer.status_code < 300, (operation["operationId"], answer.get_data(as_text=True))
            tried += 1
    assert tried >= 3
