"""The templates of a WhatsApp business account: listed, created and deleted at Meta."""

from collections.abc import Mapping
from typing import Any

import msgspec
from yarl import URL

from chat4all.channels import meta
from chat4all.channels.http import Answer, Http
from chat4all.channels.json_fields import decoded, fields, ident, items, words
from chat4all.channels.meta import Verdict
from chat4all.model.failures import Failure, Permanent
from chat4all.ports.templates import AccountTemplate, TemplateChange, TemplatePage

FIELDS = "id,name,language,status,category,components,rejected_reason,quality_score"
# Webhook fields that tell of a template.
STATUS, QUALITY = "message_template_status_update", "message_template_quality_update"
CATEGORY = "template_category_update"
WEBHOOK_FIELDS = frozenset({STATUS, QUALITY, CATEGORY})
# Events that name another status, and those that name none: a warning, or that nobody may edit it.
SENDABLE_AGAIN = {"REINSTATED": "APPROVED", "UNARCHIVED": "APPROVED"}
NO_STATUS = frozenset({"FLAGGED", "LOCKED", "UNLOCKED"})
DETAIL_MOST = 500
MOST = 100
_encode = msgspec.json.Encoder().encode


class WhatsAppTemplates:
    """Asks about those of one business account, at its `place`."""

    def __init__(self, http: Http, place: URL, verdicts: Mapping[int | tuple[int, int], Verdict]) -> None:
        self._http = http
        self._place = place / "message_templates"
        self._verdicts = verdicts

    async def page(self, limit: int, after: str, name: str = "") -> TemplatePage:
        """A page by Meta's order. `name`: only what is called so, or like this."""
        asked = {"fields": FIELDS, "limit": str(limit), "after": after, "name": name}
        answer = await self._http.get(self._place.with_query({key: value for key, value in asked.items() if value}))
        said = self._read(answer)
        paging = fields(said, "paging")
        further = words(fields(paging, "cursors").get("after")) if paging.get("next") else ""
        return TemplatePage(tuple(_template(fields(each)) for each in items(said.get("data"))), further)

    async def create(self, wanted: AccountTemplate) -> AccountTemplate:
        """Ask for one. Permanent `template_invalid` with Meta's words when it is refused."""
        body = {"name": wanted.name, "language": wanted.language, "category": wanted.category, "components": wanted.components}
        said = self._read(await self._http.post(self._place, _encode(body)))
        given = {
            "template_id": ident(said.get("id")),
            "status": words(said.get("status")),
            "category": words(said.get("category")),
        }
        return msgspec.structs.replace(wanted, **{key: value for key, value in given.items() if value})

    async def delete(self, name: str, language: str) -> bool:
        """Delete one in one language; False when there is none."""
        found = [each for each in (await self.page(MOST, "", name)).templates if (each.name, each.language) == (name, language)]
        if not found:
            return False
        self._read(await self._http.delete(self._place.with_query({"hsm_id": found[0].template_id, "name": name})))
        return True

    def _read(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise _refused(answer, self._verdicts)
        try:
            return fields(decoded(answer.body))
        except ValueError:
            return {}


def _refused(answer: Answer, verdicts: Mapping[int | tuple[int, int], Verdict]) -> Failure:
    """What is wrong with a template Meta says in words only, to whoever made it."""
    failure, error = meta.refusal(answer, verdicts), meta.read_error(answer)
    if error is None or error.code != 100:
        return failure
    said = fields(fields(decoded(answer.body)), "error")
    why = words(said.get("error_user_msg")) or words(said.get("message"))
    return Permanent("template_invalid", why[:DETAIL_MOST])


def _template(given: Mapping[str, Any]) -> AccountTemplate:
    reason = words(given.get("rejected_reason"))
    return AccountTemplate(
        name=words(given.get("name")),
        language=words(given.get("language")),
        category=words(given.get("category")),
        components=tuple(each for each in items(given.get("components")) if isinstance(each, dict)),
        status=words(given.get("status")),
        reason="" if reason == "NONE" else reason,
        template_id=ident(given.get("id")),
        quality=_quality(fields(given, "quality_score").get("score")),
    )


def changed(channel: str, account: str, field: str, value: Mapping[str, Any], at: int) -> TemplateChange | None:
    """What a webhook tells of a template; None: it does not say of which, or nothing new."""
    name, language = words(value.get("message_template_name")), words(value.get("message_template_language"))
    event, rejection = words(value.get("event")).upper(), fields(value, "rejection_info")
    why = words(rejection.get("reason")) or words(value.get("reason"))
    change = TemplateChange(
        channel,
        account,
        ident(value.get("message_template_id")),
        name,
        language.replace("-", "_"),
        at,
        status=SENDABLE_AGAIN.get(event, event) if field == STATUS and event not in NO_STATUS else "",
        reason="" if why.upper() in ("", "NONE") else why,
        category=words(value.get("new_category")) if field == CATEGORY else "",
        quality=_quality(value.get("new_quality_score")) if field == QUALITY else "",
    )
    return change if name and language and (change.status or change.category or change.quality) else None


def _quality(score: object) -> str:
    """What it is called; empty where nobody has thought of it yet."""
    said = words(score)
    return "" if said == "UNKNOWN" else said
