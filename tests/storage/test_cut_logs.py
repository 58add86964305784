"""Logs of calls to endpoints are cut now and then."""

from collections.abc import Sequence

import pytest

from chat4all.ports import WebhookCall
from storage.message_store.cut_logs import to_cut


def calls(webhook_id: str, count: int) -> list[WebhookCall]:
    """Calls to one endpoint."""
    return [WebhookCall(webhook_id, str(number), 1, "e", "t") for number in range(count)]


@pytest.mark.parametrize(
    ("added", "limit", "drawn", "cut"),
    [
        ([], 10, 0.0, []),
        (calls("a", 1), 1, 0.99, ["a"]),
        (calls("a", 1), 10, 0.99, ["a"]),
        (calls("a", 1), 1000, 0.0099, ["a"]),
        (calls("a", 1), 1000, 0.01, []),
        ([*calls("a", 50), *calls("b", 2)], 1000, 0.4, ["a"]),
        ([*calls("a", 100), *calls("b", 100)], 1000, 0.99, ["a", "b"]),
    ],
)
def test_a_log_is_cut_about_once_while_a_tenth_of_its_limit_is_added(
    added: Sequence[WebhookCall], limit: int, drawn: float, cut: list[str]
) -> None:
    """By chance, of each endpoint by how many calls of it came; a small log at every call."""
    assert to_cut(added, limit, lambda: drawn) == cut
