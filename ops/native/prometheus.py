"""Prometheus and its node exporter from Debian packages: scrapes what it is told, knows our alerts, tells the Alertmanager."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ops.native.processes import LOOPBACK, Server, is_well

EXPORTER = "prometheus-node-exporter"
RULES = Path(__file__).parents[1] / "prometheus" / "alerts.yml"


class Prometheus(Server):
    """One server. `targets`: job -> addresses to scrape; `announced`: folders where our processes write where they are.

    `alertmanager`: its address, or nobody is told.
    """

    name: ClassVar[str] = "prometheus"
    start_limit_s: ClassVar[float] = 30

    def __init__(
        self,
        home: Path,
        folder: Path,
        port: int,
        host: str = LOOPBACK,
        *,
        targets: Mapping[str, Sequence[str]] | None = None,
        announced: Sequence[Path] = (),
        alertmanager: str = "",
        every: str = "5s",
    ) -> None:
        super().__init__(home, folder, port, host)
        self.targets = dict(targets or {})
        self.announced = announced
        self.alertmanager = alertmanager
        self.every = every

    @classmethod
    def tool(cls, home: Path) -> str:
        """promtool, which checks and tests rules."""
        return str(home.absolute() / cls.name / "usr/bin/promtool")

    def prepare(self) -> None:
        """Write the configuration. JSON is YAML."""
        (self.folder / "prometheus.yml").write_text(json.dumps(self._settings(), indent=2))

    def _settings(self) -> dict[str, Any]:
        jobs = [{"job_name": job, "static_configs": [{"targets": list(found)}]} for job, found in self.targets.items()]
        files = [{"files": [f"{folder.absolute()}/*.json"], "refresh_interval": self.every} for folder in self.announced]
        # A part's name is its job, as in ops/prometheus/prometheus.yml.
        named = [{"source_labels": ["process"], "target_label": "job"}]
        told = [{"static_configs": [{"targets": [self.alertmanager]}]}] if self.alertmanager else []
        return {
            "global": {"scrape_interval": self.every, "evaluation_interval": self.every},
            "rule_files": [str(RULES)],
            "alerting": {"alertmanagers": told},
            "scrape_configs": [*jobs, {"job_name": "chat4all", "file_sd_configs": files, "relabel_configs": named}],
        }

    def command(self) -> Sequence[str]:
        """The server. Alerts are told at once again when they change: by default a first one may wait a minute."""
        return [
            str(self.home / self.name / "usr/bin/prometheus"),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address={self.address}",
            "--rules.alert.resend-delay=5s",
        ]

    def answers(self) -> bool:
        """Its own readiness check: the data are loaded, queries are answered."""
        return is_well(self.address, "/-/ready")


class NodeExporter(Server):
    """Figures of the machine."""

    name: ClassVar[str] = "node-exporter"
    start_limit_s: ClassVar[float] = 30

    def command(self) -> Sequence[str]:
        """The server."""
        return [str(self.home / self.name / "usr/bin" / EXPORTER), f"--web.listen-address={self.address}"]

    def answers(self) -> bool:
        """It shows its page."""
        return is_well(self.address, "/")
