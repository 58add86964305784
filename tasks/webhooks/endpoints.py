"""The endpoints as this process knows them: looked at again when one changed, called, logged, and disabled in time."""

import asyncio
import secrets
from collections.abc import Sequence
from concurrent.futures import Executor

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.event_types import TEST
from chat4all.ports.webhooks import Webhook, WebhookCall
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.webhooks.disabling import disabled
from chat4all.services.webhooks.endpoints import all_webhooks
from chat4all.telemetry import logs, metrics
from tasks.lanes.threads import in_thread
from tasks.lanes.writer import insist
from tasks.resources import Parts
from tasks.webhooks import schedule
from tasks.webhooks.caller import Answer, Caller
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.knowledge import Knowledge
from tasks.webhooks.telling import Telling, said_of

log = logs.logger(__name__)

# More calls than these are not kept in memory while the store is away: their log is for people, the calls themselves are made.
LOG_MOST = 20_000


class Endpoints:
    """Lives on one loop. `given_up_s`: without one success for so long an endpoint is disabled."""

    def __init__(
        self,
        parts: Parts,
        caller: Caller,
        executor: Executor,
        given_up_s: float = schedule.GIVEN_UP_S,
        live: LiveChannels | None = None,
    ) -> None:
        self.version = -1
        self.enabled: dict[str, Endpoint] = {}
        self.knowledge = Knowledge(parts.store, live or LiveChannels(parts.settings, parts.store, every_s=0))
        self._store, self._caller, self._executor = parts.store, caller, executor
        self._given_up_s = given_up_s * parts.settings.webhook_schedule_scale
        self._calls: list[WebhookCall] = []
        self._look = asyncio.Lock()

    def outdated(self) -> None:
        """Look at all of them again, soon."""
        self.version = -1

    async def look(self) -> tuple[list[Endpoint], list[str]]:
        """Look whether any changed: those that are new or begin elsewhere, and the ids of those that are no more."""
        async with self._look:
            changed = await in_thread(self._executor, self._store.webhooks_changed)
            if changed == self.version:
                return [], []
            there = await in_thread(self._executor, lambda: list(all_webhooks(self._store)))
            found = {each.webhook_id: each for each in there if each.status == "enabled"}
            gone = [each for each in self.enabled if each not in found]
            for each in gone:
                del self.enabled[each]
            new = [each for each in found.values() if self._is_new(each)]
            for webhook in found.values():
                if webhook.webhook_id in self.enabled and webhook not in new:
                    self.enabled[webhook.webhook_id].changed(webhook)
                else:
                    self.enabled[webhook.webhook_id] = Endpoint(webhook)
            self.version = changed
            return [self.enabled[each.webhook_id] for each in new], gone

    def _is_new(self, webhook: Webhook) -> bool:
        known = self.enabled.get(webhook.webhook_id)
        return known is None or known.webhook.starts != webhook.starts

    async def call(self, endpoint: Endpoint, events: Sequence[Telling], number: int, manual: str = "") -> Answer:
        """Tell an endpoint of these events in one request, and note what came of it."""
        webhook, said, first = endpoint.webhook, said_of(events), events[0]
        answer = await self._caller.call(webhook, said)
        endpoint.answered(answer)
        metrics.WEBHOOK_CALLS.of(answer.outcome).add()
        metrics.WEBHOOK_CALL_SECONDS.of()(answer.took_s)
        at = now_ms()
        noted = WebhookCall(
            webhook_id=webhook.webhook_id,
            call_id=f"{at:013d}-{secrets.token_hex(6)}",
            at=at,
            event_id=said.event_id,
            type=said.type,
            conversation_id=first.conversation_id if len({each.conversation_id for each in events}) == 1 else "",
            partition=first.event.partition,
            offset=first.offset,
            more=tuple(each.offset for each in events[1:]),
            number=number,
            status=answer.status,
            error=answer.why,
            took_ms=int(answer.took_s * 1000),
            answer=answer.body,
            manual="test" if said.type == TEST else manual,
        )
        if len(self._calls) < LOG_MOST:
            self._calls.append(noted)
        return answer

    async def close(self) -> None:
        """Let go of the connections. No call is under way any more."""
        await self._caller.close()

    async def note(self) -> None:
        """Write the log of calls, and what became of endpoints. Raises Temporary."""
        calls, self._calls = self._calls, []
        if calls:
            await insist(self._executor, lambda: self._store.log_webhook_calls(calls), calls=len(calls))
        for endpoint in list(self.enabled.values()):
            await self._judge(endpoint)

    async def _judge(self, endpoint: Endpoint) -> None:
        webhook, why = endpoint.webhook, endpoint.is_due_to_end(self._given_up_s)
        if why:
            await self._put(endpoint, disabled(replace(webhook, failing_since=endpoint.failing_since), why))
            metrics.WEBHOOKS_DISABLED.of(why).add()
            log.error("webhook_disabled", webhook_id=webhook.webhook_id, reason=why)
        elif endpoint.is_down and not webhook.failing_since:
            await self._put(endpoint, replace(webhook, failing_since=endpoint.failing_since))
            log.warning("webhook_failing", webhook_id=webhook.webhook_id)
        elif webhook.failing_since and not endpoint.failing_since:
            await self._put(endpoint, replace(webhook, failing_since=0))

    async def _put(self, endpoint: Endpoint, webhook: Webhook) -> bool:
        """Whether it is so now. Where another changed it meanwhile it is looked at again, with the next change."""
        wanted = replace(webhook, version=webhook.version + 1, changed_at=endpoint.webhook.changed_at)
        if await in_thread(self._executor, self._store.put_webhook, wanted):
            endpoint.changed(wanted)
            return True
        self.outdated()
        return False
