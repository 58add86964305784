"""Scrapes every process of a system, as Prometheus would, and keeps what was ever seen."""

import threading
from typing import Self

import requests
from prometheus_client.parser import text_string_to_metric_families

from chat4all.telemetry.exporter import targets
from ops.harness.system import System

BETWEEN_S = 0.4


class Scraper:
    """A context manager: scrapes from its beginning to its end.

    `shown`: which processes had a sample of a metric; `moved`: which had one that is not 0; `labels`: every label's values.
    """

    def __init__(self, system: System) -> None:
        self.shown: dict[str, set[str]] = {}
        self.moved: dict[str, set[str]] = {}
        self.labels: set[tuple[str, str]] = set()
        self._system = system
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._ending.wait(BETWEEN_S):
            self.scrape()

    def scrape(self) -> None:
        """Once, all that answer: one that is frozen or ending is passed over."""
        for name, url in targets(self._system.settings).items():
            try:
                self._keep(name.rpartition("-")[0], requests.get(url, timeout=0.7).text)
            except requests.RequestException:
                continue

    def _keep(self, process: str, text: str) -> None:
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            for sample in family.samples:
                self.labels.update(sample.labels.items())
                self.shown.setdefault(name, set()).add(process)
                if sample.value:
                    self.moved.setdefault(name, set()).add(process)
