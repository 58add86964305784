"""The tables of errors: each line is what an answer with that error becomes, and what docs/errors.md says."""

import json
from typing import Any

import msgspec
import pytest

from chat4all.channels import CHANNELS, channel_class, open_channel, telegram_errors
from chat4all.channels.http import Answer
from chat4all.channels.meta import failure
from chat4all.channels.whatsapp import VERDICTS, WhatsApp
from chat4all.model.advice import ADVICE, advice
from chat4all.model.failures import Permanent, Temporary, Throttled
from chat4all.model.records import ProviderReceipt
from chat4all.ports import ErrorLine
from chat4all.settings import Settings
from ops.errors import PAGE, declared, page

GRAPH = [(name, line) for name, lines in declared().items() if name != "telegram" for line in lines]
# Reasons that are not of a provider's error: ours, and those of answers that are none.
OURS = frozenset({
    "expired", "no_identity", "identity_moved", "unknown_channel", "part_failed", "set_aside", "account_paused",
    "account_removed", "account_sealed", "target_not_sent", "failed", "provider_failed",
    "unreachable", "no_answer", "unreadable_answer",
    # Somebody wanted it so, or it is known beforehand that nobody is there.
    "cancelled", "superseded", "broadcast_stopped", "gone",
    # Raised where Telegram names the address that a chat has now.
    "moved",
})  # fmt: skip


def name_of(value: Any) -> str:
    """A line by its code, for the list of tests."""
    return f"{value.code}-{value.subcode}-{value.words}" if isinstance(value, ErrorLine) else str(value)


def test_the_page_is_made_of_the_tables() -> None:
    """Run `python -m ops.errors` after a channel learned an error."""
    assert PAGE.read_text() == page(PAGE.read_text()), "run python -m ops.errors"


def test_every_channel_has_a_table() -> None:
    """And no line stands twice in it."""
    for name in CHANNELS:
        lines = [(each.code, each.subcode, each.words) for each in channel_class(name).errors]
        assert lines
        assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(("name", "line"), GRAPH, ids=name_of)
def test_a_graph_error_becomes_what_its_line_says(name: str, line: ErrorLine) -> None:
    """By code and subcode, whatever HTTP status and words stand beside it; codes may come as texts."""
    made: Any = channel_class(name)
    verdicts = VERDICTS if name == "whatsapp" else made.verdicts
    for status, code in ((400, line.code), (403, str(line.code)), (500, line.code)):
        error = {"code": code, "error_subcode": line.subcode, "message": "new words", "type": "OAuthException"}
        found = failure(Answer(status, json.dumps({"error": error}).encode()), verdicts)
        assert (type(found), found.reason) == (line.kind, line.reason)
        if isinstance(found, Throttled):
            assert found.retry_after == line.wait > 0
        elif isinstance(found, Temporary):
            assert found.tries == line.tries


@pytest.mark.parametrize("line", declared()["whatsapp"], ids=name_of)
def test_a_failed_receipt_has_the_reason_of_its_line(line: ErrorLine, tmp_path: Any) -> None:
    """WhatsApp tells most errors later: as the same reason as in an answer."""
    status = {"id": "wamid.1", "status": "failed", "timestamp": "1700000000", "errors": [{"code": line.code, "title": "?"}]}
    channel = open_channel("whatsapp", Settings(data=tmp_path))
    assert isinstance(channel, WhatsApp)
    metadata = {"phone_number_id": channel.account.account_id}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    [receipt] = channel.read_webhook(msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]}))
    assert isinstance(receipt, ProviderReceipt)
    assert receipt.reason == (line.reason if line.code else "failed")


@pytest.mark.parametrize("line", declared()["telegram"], ids=name_of)
def test_a_telegram_error_becomes_what_its_line_says(line: ErrorLine) -> None:
    """By code, and by what is said in the words of a 400 or 403."""
    for code in (400, 403) if line.words else (line.code,):
        found = telegram_errors.failure(code, f"Bad Request: {line.words.upper()} (new words)", {})
        assert (type(found), found.reason) == (line.kind, line.reason)


def test_every_reason_has_an_advice_and_none_has_too_many() -> None:
    """What people read beside a reason is there for each, and there is none that no error becomes."""
    reasons = {line.reason for lines in declared().values() for line in lines}
    assert reasons - ADVICE.keys() == set()
    assert ADVICE.keys() - reasons - OURS == set()
    assert advice("code_123")
    assert advice("http_503")
    assert advice("") == advice("whatever") == ""


def test_outside_the_window_is_one_reason_everywhere() -> None:
    """What is refused at acceptance has the same name as what the provider refuses."""
    outside = {(name, line.code, line.subcode) for name, line in GRAPH if line.reason == "outside_window"}
    assert outside == {
        ("whatsapp", 470, 0), ("whatsapp", 131047, 0), ("instagram", 10, 2534022), ("messenger", 10, 2018278),
    }  # fmt: skip
    assert all(line.kind is Permanent for _, line in GRAPH if line.reason == "outside_window")
