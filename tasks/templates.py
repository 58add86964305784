"""Every ten minutes the providers are asked for the templates of each account, in a thread: webhooks may be lost."""

import random
import threading
import time
from collections.abc import Callable, Sequence

from chat4all.channels import CHANNELS
from chat4all.model.clock import now_ms
from chat4all.model.failures import Failure
from chat4all.model.records import NewRecord
from chat4all.model.workspaces import stored
from chat4all.ports.templates import TemplatePage
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.accounts.registry import AccountRegistry
from chat4all.services.templates import PAGE, publish, read_all
from chat4all.telemetry import logs, metrics
from tasks.background import Background
from tasks.resources import Parts

log = logs.logger(__name__)

EVERY_S = 600.0
# A worker looks so often whether an account is due; which worker asks is chance.
FIRST_S, LOOK_S = 5.0, 30.0
APPEND_S = 5.0

# A page of an account's templates, by the account's id and where the page begins.
Ask = Callable[[str, str], TemplatePage]


class TemplateReader:
    """This process's part in it. `ask`: how the provider is asked."""

    def __init__(self, parts: Parts, live: LiveChannels, ask: Ask | None = None) -> None:
        self._parts, self._live = parts, live
        self._ask = ask or self._asked
        self._background = Background("templates")
        self._looks_at = time.monotonic() + random.uniform(FIRST_S, LOOK_S)  # noqa: S311 - spreads load, guards nothing

    def sweep(self) -> threading.Thread | None:
        """Begin with what is due, unless that is under way, or it was looked just now."""
        now = time.monotonic()
        if now < self._looks_at:
            return None
        self._looks_at = now + LOOK_S
        return self._background.begin(self._look)

    def _look(self) -> None:
        try:
            self.look()
        except Exception:
            # The next look is half a minute away.
            log.exception("templates_failed")

    def look(self) -> None:
        """Ask about each account that was not asked about for a while."""
        for name in CHANNELS:
            if "template" in self._live[name].limits.contents:
                for each in self._live.used(name):
                    self._look_at(name, each.account_id or name, each.workspace)

    def _look_at(self, name: str, account_id: str, workspace: str) -> None:
        parts = self._parts
        try:
            if now_ms() - parts.store.templates_read_at(account_id) < EVERY_S * 1000:
                return
            changed = read_all(parts.store, account_id, lambda after: self._ask(account_id, after))
            publish(self._append, parts.partitions, [(stored(workspace, changed_id), each) for changed_id, each in changed])
            metrics.TEMPLATES_READ.of(name, "read").add()
        except Failure as failure:
            metrics.TEMPLATES_READ.of(name, "failed").add()
            log.warning("templates_unread", channel=name, account_id=account_id, reason=failure.reason)
        except Exception:
            metrics.TEMPLATES_READ.of(name, "failed").add()
            log.exception("templates_failed", channel=name, account_id=account_id)

    def _append(self, records: Sequence[NewRecord]) -> None:
        self._parts.log.append(records, APPEND_S)

    def _asked(self, account_id: str, after: str) -> TemplatePage:
        registry = AccountRegistry(self._parts.settings, self._parts.store, self._live)
        return registry.ask(account_id, lambda channel: channel.templates(PAGE, after, ""))
