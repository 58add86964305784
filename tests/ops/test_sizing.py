"""How much is kept for a message, measured on a store of its own."""

from pathlib import Path

from ops.sizing import embedded, per_message


def test_a_store_is_filled_through_the_stages(tmp_path: Path) -> None:
    """Every table that a delivered and read message needs has bytes; delivery rows go when they have had their days."""
    found = embedded(tmp_path, 500)
    assert {"messages", "deliveries", "webhooks", "webhook_calls"} <= found["store"].keys()
    assert found["store_after_days"].get("deliveries", 0) < found["store"]["deliveries"]
    assert found["store_after_days"]["messages"] == found["store"]["messages"]
    assert set(found["log"]) >= {"chat-incoming", "chat-status", "chat-events"}


def test_what_is_less_than_a_byte_is_left_out() -> None:
    """The largest first."""
    assert per_message({"small": 5, "a": 100, "b": 250}, 10) == {"b": 25.0, "a": 10.0}
