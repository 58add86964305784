"""What waits where, over REST: as log and store know it, for those who manage."""

from collections.abc import Callable

from chat4all.model.deliveries import Lane
from chat4all.model.records import INCOMING, STATUS
from chat4all.ports import Waiting
from chat4all.ports.progress import undone
from tests.webapp.driver import Driver


def test_what_is_accepted_waits_until_it_was_worked_on(start: Callable[..., Driver]) -> None:
    """Records by topic, retries by channel; what was worked on does not wait any more."""
    driver = start()
    driver.service("crm", "manage", "send")
    for number in range(3):
        driver.send("crm", to=[f"whatsapp:+551199999000{number}"])
    told = driver.ask("crm", "GET", "/v1/road")
    assert told["topics"] == [{"topic": INCOMING, "waiting": 3}, {"topic": STATUS, "waiting": 0}]
    assert told["channels"] == []
    assert 0 < told["disk"]["free_bytes"] <= told["disk"]["size_bytes"]
    driver.process()
    ends = driver.parts.log.ends(INCOMING)
    driver.parts.store.raise_progress(INCOMING, {each: end - 1 for each, (_, end) in ends.items() if end})
    lane = Lane("whatsapp", 0)
    driver.parts.store.raise_fanned({lane: 7})
    driver.parts.store.record({}, waiting=[Waiting(lane, "c", "a", 5, 0, 10, 1, stamp=1)])
    told = driver.ask("crm", "GET", "/v1/road")
    assert [each["waiting"] for each in told["topics"]] == [0, 0]
    [channel] = told["channels"]
    assert channel == {"channel": "whatsapp", "lanes": 1, "working": 1, "retries": 1}
    progress = driver.parts.store.progress(INCOMING)
    assert all(undone(progress, each) == end for each, (_, end) in ends.items())


def test_managers_only(start: Callable[..., Driver]) -> None:
    """Others are refused."""
    driver = start()
    driver.service("shop", "send")
    assert driver.refused("shop", "GET", "/v1/road", expect=403)[0] == "scope_needed"


def test_links_are_told_where_they_lead_somewhere(start: Callable[..., Driver]) -> None:
    """Flower at its own port for who asks at the gateway's own; all others where they are set."""
    driver = start(gateway_port=8123, flower_port=8124, simulator_port=8125, grafana_url="https://grafana.example")
    driver.service("crm", "manage")
    secret = driver.service("desk", "manage")
    for base, wanted in (
        (
            "http://127.0.0.1:8123",
            {
                "flower": "http://127.0.0.1:8124",
                "grafana": "https://grafana.example",
                "phones": "http://127.0.0.1:8125/phones",
            },
        ),
        ("https://chat.example", {"grafana": "https://grafana.example"}),
    ):
        body = {"client_id": "desk", "client_secret": secret}
        told = driver.client.post("/auth/session", json=body, base_url=base, headers={"Origin": base}).get_json()
        assert told["links"] == wanted
