"""Jaeger: takes spans by OTLP, shows traces on a page and by HTTP."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.request import urlopen

from ops.native.processes import LOOPBACK, Server, free_port, is_taken, is_well

ASK_LIMIT_S = 20


class Jaeger(Server):
    """One Jaeger that keeps traces in memory. `port` takes spans (OTLP over gRPC); `query_port` shows them."""

    name: ClassVar[str] = "jaeger"
    start_limit_s: ClassVar[float] = 60

    def __init__(self, home: Path, folder: Path, port: int, host: str = LOOPBACK, *, query_port: int = 0) -> None:
        super().__init__(home, folder, port, host)
        self.query_port = query_port or free_port()
        self._other_port = free_port()

    @property
    def endpoint(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return f"http://{self.address}"

    @property
    def page(self) -> str:
        """Where traces are shown."""
        return f"http://{self.host}:{self.query_port}"

    def prepare(self) -> None:
        """Write what it listens on: nothing but spans and questions."""
        (self.folder / "jaeger.json").write_text(json.dumps(self._configuration(), indent=1))

    def command(self) -> Sequence[str]:
        """The server with our configuration."""
        return [str(self.home / self.name / "jaeger"), "--config", str(self.folder / "jaeger.json")]

    def answers(self) -> bool:
        """Questions are answered, and spans are listened for."""
        return is_well(f"{self.host}:{self.query_port}", "/api/services") and is_taken(self.host, self.port)

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace as Jaeger's query API shows them, each with its `process`. None yet: an empty list."""
        try:
            (found,) = self.ask(f"/api/traces/{trace_id}")["data"]
        except HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return []
        return [{**span, "process": found["processes"][span["processID"]]} for span in found["spans"]]

    def ask(self, path: str) -> Any:
        """An answer of the query API, decoded."""
        with urlopen(f"http://{self.host}:{self.query_port}{path}", timeout=ASK_LIMIT_S) as answer:
            return json.load(answer)

    def _configuration(self) -> dict[str, Any]:
        ports = {"http": self.query_port, "grpc": self._other_port}
        listening = {name: {"endpoint": f"{self.host}:{port}"} for name, port in ports.items()}
        kept = {"memory": {"max_traces": 100_000}}
        return {
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
            },
            "extensions": {
                "jaeger_storage": {"backends": {"kept": kept}},
                "jaeger_query": {"storage": {"traces": "kept"}, **listening},
            },
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": self.address}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "kept"}},
        }
