"""compose.yml and .env.example name only what exists. That they start is for a machine with a container engine."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat4all.channels import CHANNELS
from chat4all.cli.parts import PARTS
from chat4all.ports import WEBHOOKS
from chat4all.ports.waker import queue_of
from chat4all.settings import KNOWN, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"] == "chat4all:latest"}
CADDY = (ROOT / "ops/compose/Caddyfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
DEMO = (ROOT / "ops/compose/demo.env").read_text()
# What the servers and Caddy read, and what compose.yml alone uses.
THEIRS = re.compile(
    r"(KAFKA|RABBITMQ|CASSANDRA|MINIO|FLOWER|OTEL|MAX_HEAP|HEAP|CLUSTER|PUBLIC_HOST|GF|GRAFANA|LOKI|ALERTMANAGER|CADDY)"
)


def names_in(text: str) -> set[str]:
    """Variables that are set or asked for."""
    return set(re.findall(r"^\s*([A-Z][A-Z0-9_]+)[:=]", text, re.M)) | set(re.findall(r"\$\{([A-Z][A-Z0-9_]+)", text))


def exists(name: str) -> bool:
    """Whether the service knows this variable, or one of the servers does."""
    if name.startswith("CHAT4ALL_SECRET_"):
        return True
    if name.startswith("CHAT4ALL_"):
        return name.removeprefix("CHAT4ALL_").lower() in Settings.model_fields
    channel = name.partition("_")[0].lower()
    known = {variable for variable, _ in KNOWN.values()}
    return channel in CHANNELS or name in known or bool(THEIRS.match(name))


@pytest.mark.parametrize("text", [COMPOSE, EXAMPLE, DEMO], ids=["compose.yml", ".env.example", "demo.env"])
def test_every_variable_exists(text: str) -> None:
    """A setting that was renamed is renamed here too."""
    assert sorted(name for name in names_in(text) if not exists(name)) == []


def test_what_must_be_set_stands_empty_in_the_example() -> None:
    """Who fills in every empty line that compose asks for can start; the demo has them all."""
    needed = set(re.findall(r"\$\{([A-Z0-9_]+):\?", COMPOSE))
    assert needed <= set(re.findall(r"^([A-Z0-9_]+)=$", EXAMPLE, re.M))
    assert needed <= names_in(DEMO)
    # A channel that is not real takes these instead of its own; without them no part would start.
    assert set(re.findall(r"SECRET_SIMULATOR:(.)", COMPOSE)) == {"?"}


def test_every_variable_of_the_channels_is_in_the_example() -> None:
    """Who fills in .env.example makes every channel real."""
    tokens = {f"{name.upper()}_{'BOT_TOKEN' if name == 'telegram' else 'TOKEN'}" for name in CHANNELS}
    assert tokens <= names_in(EXAMPLE)


def test_every_channel_has_a_worker() -> None:
    """A channel whose queue nobody reads would be silence."""
    named = re.findall(r'-Q, "?([a-z,-]+)"?\]', COMPOSE)
    read = {queue for each in named for queue in each.split(",")}
    assert {"pipeline", "channels", "conversions", *(queue_of(name) for name in (*CHANNELS, WEBHOOKS))} <= read


def test_the_ports_inside_are_the_defaults() -> None:
    """Caddy and the health checks ask where the parts listen."""
    for field in ("gateway_port", "stream_port", "events_port"):
        assert str(Settings.model_fields[field].default) in CADDY
    checked = " ".join(each["healthcheck"]["test"][3] for each in OURS.values())
    for field in ("gateway_port", "stream_port", "metrics_port", "flower_port", "simulator_port"):
        assert re.search(rf"127\.0\.0\.1\W+{Settings.model_fields[field].default}\b", checked), field


def test_every_part_is_a_service() -> None:
    """Those that one machine needs and compose does not: a broker of our own, and one worker for all channels."""
    assert {part.name for part in PARTS} - OURS.keys() == {"redis", "objects", "worker-channels"}


def test_every_service_of_ours_is_asked_how_it_is() -> None:
    """With what the image surely has, often enough, and with patience at the start: who depends on it would give up."""
    for name, each in OURS.items():
        check = each["healthcheck"]
        assert check["test"][:3] == ["CMD", "python", "-c"], name
        compile(check["test"][3], name, "exec")
        assert check["start_period"] == "180s", name


def test_files_have_addresses_that_clients_reach() -> None:
    """Clients and providers bring and fetch bytes at Caddy, which passes them to the bucket; MinIO has no port outside."""
    assert OURS["gateway"]["environment"]["CHAT4ALL_OBJECTS_URL"] == "https://${PUBLIC_HOST:-localhost}"
    assert OURS["worker-files"]["environment"]["CHAT4ALL_OBJECTS_URL"] == "${CHAT4ALL_PUBLIC_URL:-}"
    address, bucket = re.findall(r":-(\S+)}/(\S+)", OURS["gateway"]["environment"]["CHAT4ALL_OBJECTS"])[0]
    assert re.search(rf"handle /{bucket}/\* {{\s+reverse_proxy {address}\s", CADDY)
    assert "ports" not in SERVICES["minio"]


def test_the_gateway_believes_caddy_and_nobody_else_can_ask_it() -> None:
    """It has no port of its own to the outside."""
    assert OURS["gateway"]["environment"]["CHAT4ALL_PROXIES"] == "1"
    assert "ports" not in OURS["gateway"]


def test_no_container_may_become_more_than_it_is() -> None:
    """Every one: no capabilities but those that it names, no new ones by a program. Ours write to /data and /tmp alone."""
    for name, each in SERVICES.items():
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert not each.get("privileged"), name
    assert {name for name, each in SERVICES.items() if "cap_add" in each} == {"caddy", "cassandra", "scylla", "rabbitmq"}
    assert SERVICES["caddy"]["cap_add"] == ["NET_BIND_SERVICE"]
    for name, each in {**OURS, "caddy": SERVICES["caddy"]}.items():
        assert each["read_only"] is True, name
        assert "/tmp" in each["tmpfs"], name


def test_the_demo_listens_on_loopback_only() -> None:
    """Everybody knows its secrets; all other ports are bound there in any case."""
    assert "CADDY_BIND=127.0.0.1\n" in DEMO
    assert SERVICES["caddy"]["ports"] == [f"${{CADDY_BIND:-0.0.0.0}}:{port}:{port}" for port in (80, 443)]
    for name, each in SERVICES.items():
        assert name == "caddy" or all(port.startswith("127.0.0.1:") for port in each.get("ports", [])), name


def test_caddy_logs_nothing_that_opens_a_stream_or_a_file() -> None:
    """What proves something in a URL is left out of its log, which names the URL of what failed."""
    [filtered] = re.findall(r"\tformat filter {.*?request>uri query {(.*?)}", CADDY, re.S)
    assert set(re.findall(r"replace (\S+) REDACTED", filtered)) == {"ticket", "X-Amz-Signature"}


def test_caddy_waits_for_nobody_for_ever() -> None:
    """Heads, bodies and idle connections have limits, and what goes to the gateway is buffered."""
    for wanted in ("read_header 10s", "read_body 20m", "idle 75s", "request_buffers 1MiB", "response_buffers 4MiB"):
        assert wanted in CADDY


def test_no_password_is_given_outside_the_demo() -> None:
    """.env.example leaves every secret empty, and compose.yml has no default for one."""
    secret = re.compile(r"^(\w*(?:SECRET|PASSWORD|TOKEN)\w*)=(.+)$", re.M)
    assert secret.findall(EXAMPLE) == []
    assert re.findall(r"\$\{\w*(?:SECRET_JWT|SECRET_FILES|SECRET_SEAL|PASSWORD|SECRET_KEY)\w*:-", COMPOSE) == []


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="no docker-compose: `apt-get install docker-compose`")
def test_compose_reads_it(tmp_path: Path) -> None:
    """The file is right in compose's own eyes, and refuses to start without its secrets."""
    command = ["docker-compose", "--env-file", "ops/compose/demo.env", "config", "-q"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False).returncode == 0
    nothing = tmp_path / "empty.env"
    nothing.touch()
    empty = subprocess.run(
        ["docker-compose", "--env-file", str(nothing), "config", "-q"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert empty.returncode != 0
    assert "RABBITMQ_PASSWORD" in empty.stderr or "Missing mandatory value" in empty.stderr
