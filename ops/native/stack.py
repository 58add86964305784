"""The whole stack on its usual ports, and the settings that make the service run on it."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ops.native.alertmanager import Alertmanager
from ops.native.cassandra import Cassandra
from ops.native.jaeger import Jaeger
from ops.native.k6 import K6
from ops.native.kafka import Kafka
from ops.native.minio import Minio
from ops.native.processes import LOOPBACK, Server
from ops.native.prometheus import NodeExporter, Prometheus
from ops.native.rabbitmq import RabbitMQ
from ops.native.redis import Redis

PROGRAMS: dict[str, type[Server]] = {
    "kafka": Kafka,
    "cassandra": Cassandra,
    "rabbitmq": RabbitMQ,
    "minio": Minio,
    "redis": Redis,
    "prometheus": Prometheus,
    "alertmanager": Alertmanager,
    "node-exporter": NodeExporter,
    "jaeger": Jaeger,
}
TOOLS: dict[str, type[K6]] = {"k6": K6}
USUAL = ("kafka", "cassandra", "rabbitmq", "minio")
SECRETS = (
    "jwt",
    "files",
    "seal",
    "whatsapp_app_secret",
    "whatsapp_verify_token",
    "whatsapp_token",
    "instagram_app_secret",
    "instagram_verify_token",
    "instagram_token",
    "messenger_app_secret",
    "messenger_verify_token",
    "messenger_token",
    "telegram_webhook_secret",
    "telegram_token",
)


def default_home() -> Path:
    """Where programs are kept: CHAT4ALL_SERVERS, else .servers beside the sources."""
    return Path(os.environ.get("CHAT4ALL_SERVERS") or Path(__file__).parents[2] / ".servers")


def stack(home: Path, data: Path) -> dict[str, Server]:
    """Every server by name, on its usual port, with data in its own folder under `data`."""
    return {
        "kafka": Kafka(home, data / "kafka", 9092, controller_port=9095),
        "cassandra": Cassandra(home, data / "cassandra", 9042, storage_port=7000),
        "rabbitmq": RabbitMQ(home, data / "rabbitmq", 5672, epmd_port=4370, node_port=25672),
        "minio": Minio(home, data / "minio", 9000),
        "redis": Redis(home, data / "redis", 6379),
        "prometheus": _prometheus(home, data),
        "alertmanager": Alertmanager(home, data / "alertmanager", 9093),
        "node-exporter": NodeExporter(home, data / "node-exporter", 9100),
        "jaeger": Jaeger(home, data / "jaeger", 4317, query_port=16686),
    }


def _prometheus(home: Path, data: Path) -> Prometheus:
    """Scrapes the machine and whatever of the service runs on its usual data folder."""
    announced = Path(os.environ.get("CHAT4ALL_DATA") or Path(__file__).parents[2] / "data") / "metrics" / "targets"
    targets = {"node": [f"{LOOPBACK}:9100"]}
    return Prometheus(home, data / "prometheus", 9090, targets=targets, announced=[announced], alertmanager=f"{LOOPBACK}:9093")


def environment(home: Path, data: Path) -> dict[str, str]:
    """The variables that make the service run on `stack`."""
    return variables(stack(home, data), data)


def variables(servers: Mapping[str, Server], data: Path) -> dict[str, str]:
    """The variables that make the service run on these. Secrets are made once and kept in `data`, for their owner only."""
    minio, rabbitmq = servers["minio"], servers["rabbitmq"]
    assert isinstance(minio, Minio) and isinstance(rabbitmq, RabbitMQ)  # noqa: S101
    return {
        "CHAT4ALL_LOG": f"kafka://{servers['kafka'].address}",
        "CHAT4ALL_STORE": f"cassandra://{servers['cassandra'].address}/chat4all",
        "CHAT4ALL_OBJECTS": f"s3://{minio.address}/chat4all",
        "CHAT4ALL_BROKER": rabbitmq.url,
        "CHAT4ALL_DEMO_USERS": "true",
        "CHAT4ALL_OPEN_REGISTRATION": "true",
        "MINIO_ENDPOINT": minio.address,
        "MINIO_ACCESS_KEY": minio.user,
        "MINIO_SECRET_KEY": minio.password,
        **{f"CHAT4ALL_SECRET_{name.upper()}": _kept(data / "secrets" / name) for name in SECRETS},
    }


def _kept(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()
