"""Log lines: their names, what they never say, and what libraries and errors become in them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chat4all import redaction
from chat4all.settings import Settings
from chat4all.telemetry import logs

log = logs.logger("tests.telemetry")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Logging as a process begins with it, and none of it left to others."""
    root = logging.getLogger()
    before = list(root.handlers)
    structlog.reset_defaults()
    yield
    logs.name_traces(None)
    structlog.reset_defaults()
    root.handlers = before


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in capsys.readouterr().err.splitlines()]


def test_a_line_has_the_names_that_collectors_know(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, severity, event, scope, service and process, and what was given, under their own names."""
    logs.configure("bridge")
    logs.logger("tests.names").warning("batch_late", message_id="m", conversation_id="c", trace_id="t")
    (line,) = lines(capsys)
    assert line.pop("@timestamp").endswith("Z")
    assert line == {
        "severity_text": "WARN",
        "event_name": "batch_late",
        "scope.name": "tests.names",
        "service.name": "chat4all",
        "process": "bridge",
        "message_id": "m",
        "conversation_id": "c",
        "trace_id": "t",
    }


def test_the_name_of_an_account_is_no_secret(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An access key may be a word that stands everywhere; the key that belongs to it is secret."""
    monkeypatch.setenv("MINIO_ACCESS_KEY", "chat4all")
    monkeypatch.setenv("MINIO_SECRET_KEY", "hunter2hunter2")
    logs.configure("gateway")
    logs.logger("tests.names").info("seen", said="hunter2hunter2")
    (line,) = lines(capsys)
    assert (line["service.name"], line["said"]) == ("chat4all", redaction.REDACTED)


def test_a_line_says_the_trace_that_it_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    """That of its thread or task, unless it names one."""
    logs.configure("gateway")
    logs.name_traces(lambda: "current")
    logs.logger("a").info("one")
    logs.logger("a").info("two", trace_id="named")
    assert [each["trace_id"] for each in lines(capsys)] == ["current", "named"]


def test_an_error_says_what_and_where_but_not_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception's text may quote anything: only its kind, its cause's kind and the places are written."""
    logs.configure("worker")
    try:
        try:
            raise KeyError("+5511999990000")
        except KeyError as cause:
            raise ValueError("said: my secret words") from cause
    except ValueError:
        logs.logger("a").exception("went_wrong")
    (line,) = lines(capsys)
    assert (line["exception.type"], line["exception.cause"]) == ("ValueError", "KeyError")
    assert "test_logs.py" in line["exception.stacktrace"]
    assert "secret words" not in json.dumps(line)
    assert "99999" not in json.dumps(line)


def test_libraries_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library warns of is a line of JSON; what it merely tells is not written."""
    logs.configure("worker")
    logging.getLogger("some.library").warning("lost %s", "a connection")
    logging.getLogger("some.library").info("hello")
    (line,) = lines(capsys)
    assert (line["event_name"], line["scope.name"], line["body"]) == ("library_message", "some.library", "lost a connection")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("amqp://chat4all:hunter2hunter2@rabbit:5672", "amqp://chat4all:[redacted]@rabbit:5672"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "got [redacted]"),
        ("https://api.telegram.org/bot123456789:AAH-abcdefghijklmnopqrstuvwx/sendMessage", None),
        ("GET /o/a?X-Amz-Signature=0123abcd&x=1", "GET /o/a?X-Amz-Signature=[redacted]&x=1"),
        ("to +5511999990000.", "to [redacted]."),
        ("at 2026-01-01T00:00:00+00:00", "at 2026-01-01T00:00:00+00:00"),
    ],
)
def test_what_looks_private_is_not_written(said: str, kept: str | None) -> None:
    """A second net, wherever in a line it stands."""
    found = redaction.redacted(said)
    assert found == kept if kept else "AAH-" not in found


def test_known_secrets_are_not_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Secrets that this process has read, from the environment or from its folder, and fields that hold private things."""
    monkeypatch.setenv("SOME_TOKEN", "opensesame-opensesame")
    logs.configure("gateway")
    secret = Settings(data=tmp_path).secret("jwt")
    logs.logger("a").info("odd", why=f"{secret} and opensesame-opensesame", text="words", address="12345678")
    (line,) = lines(capsys)
    assert line["why"] == "[redacted] and [redacted]"
    assert (line["text"], line["address"]) == ("[redacted]", "[redacted]")
