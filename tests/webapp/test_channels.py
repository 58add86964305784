"""GET /v1/channels: what each channel carries."""

from tests.webapp.driver import Driver


def test_any_caller_is_told_what_each_channel_carries(gateway: Driver) -> None:
    """Kind by kind, and how much fits; what only providers bring is refused; pages are by name."""
    gateway.people("alice")
    told = gateway.ask("alice", "GET", "/v1/channels")
    assert [each["channel"] for each in told["channels"]] == ["instagram", "whatsapp"]
    first = told["channels"][0]
    assert {kind: first["contents"][kind] for kind in ("text", "media", "location", "choices", "order", "unsupported")} == {
        "text": "native", "media": "adapted", "location": "adapted", "choices": "adapted", "order": "refused",
        "unsupported": "refused",
    }  # fmt: skip
    assert (first["limits"]["text_length"], first["limits"]["text_unit"]) == (1000, "bytes")
    page = gateway.ask("alice", "GET", "/v1/channels?limit=1")
    assert page["next"] == "instagram"
    rest = gateway.ask("alice", "GET", f"/v1/channels?after={page['next']}")
    assert [each["channel"] for each in rest["channels"]] == ["whatsapp"]
    assert gateway.refused(None, "GET", "/v1/channels", expect=401)[0] == "token_missing"
