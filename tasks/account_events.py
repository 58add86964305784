"""Tells readers of changes of accounts, soon after they were made: whoever made one may have ended before it was told."""

import time
from threading import Thread

from chat4all.model.failures import Temporary, Unknown
from chat4all.services.accounts.changes import tell
from chat4all.telemetry import logs
from tasks.background import Background
from tasks.resources import Parts

log = logs.logger(__name__)

LOOK_S = 2.0
APPEND_S = 5.0


class AccountEvents:
    """This process's part in it. Two processes may do it at a time: then readers hear the same event twice."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._background = Background("account-events")
        self._looked, self._published = -LOOK_S, 0

    def sweep(self) -> Thread | None:
        """Begin, in a thread, where an account was changed. One small read where none was."""
        if time.monotonic() - self._looked < LOOK_S:
            return None
        self._looked = time.monotonic()
        number = self._parts.store.accounts_changed()
        return self._background.begin(self._tell) if number != self._published else None

    def _tell(self) -> None:
        try:
            self._published = tell(self._parts.store, self._parts.log, self._parts.partitions, APPEND_S)
        except (Temporary, Unknown) as outage:
            log.warning("account_changes_untold", reason=outage.reason)
        except Exception:
            log.exception("account_changes_failed")
