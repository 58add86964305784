"""A WhatsApp number as WhatsApp reports it: its name and quality, what the token may do; and subscribing to its webhooks."""

from collections.abc import Mapping
from typing import Any

import msgspec
from yarl import URL

from chat4all.channels import meta, meta_checks
from chat4all.channels.http import Answer, Http
from chat4all.channels.json_fields import decoded, fields, ident, items, joined, words
from chat4all.channels.meta import Verdict
from chat4all.channels.webhook_address import address_findings
from chat4all.channels.whatsapp_templates import WhatsAppTemplates
from chat4all.model import account_health
from chat4all.model.failures import Failure, Permanent
from chat4all.ports import Examined, Finding

NUMBER_FIELDS = "display_phone_number,verified_name,status,quality_rating,throughput,whatsapp_business_manager_messaging_limit"
MESSAGING, MANAGEMENT = "whatsapp_business_messaging", "whatsapp_business_management"
REGISTER = "Register the number in WhatsApp Manager, or mend there what it says of the number."
BUSINESS = "Give business_account_id with the credentials: the id of the WhatsApp business account, from WhatsApp Manager."
_encode = msgspec.json.Encoder().encode


class WhatsAppAccount:
    """Asks about one number. `business`: the id of its business account; empty: it is asked for."""

    def __init__(
        self, http: Http, number: URL, token: str, business: str, verdicts: Mapping[int | tuple[int, int], Verdict]
    ) -> None:
        self._http = http
        self._number = number
        self._root = number.parent
        self._token = token
        self._business = business
        self._verdicts = verdicts

    async def check(self) -> str:
        """One line for people. Changes nothing. Permanent when the token is refused; Temporary when nobody answers."""
        return await self._check(await self._debugged())

    async def _check(self, token: Mapping[str, Any]) -> str:
        number = self._read(await self._http.get(self._number.with_query(fields=NUMBER_FIELDS)))
        return joined(_described(number), _lacking_scopes(token), by="; ")

    async def examine(self, webhook_url: str, app_secret: str) -> Examined:
        """All that must be right: the token and what it may do, the number, the subscription, the app's secret, our address."""
        answer = await self._http.get(self._number.with_query(fields=NUMBER_FIELDS))
        if answer.status != 200:
            return Examined("", (meta_checks.refusal(answer, self._verdicts),))
        token, number = await self._debugged(), self._read(answer)
        found = meta_checks.lacking(token, (MESSAGING, MANAGEMENT))
        if (status := words(number.get("status"))) not in {"", "CONNECTED"}:
            found.append(Finding("number_not_connected", f"The number is {status}: nothing can be sent from it.", REGISTER))
        found += await meta_checks.secret_findings(self._http, self._number, self._token, app_secret)
        business = self._business or await self._found_business(token)
        if business:
            apps = await self._http.get(self._root / business / "subscribed_apps")
            found += meta_checks.subscribed_findings(apps, ident(token.get("app_id")), "")
        else:
            found.append(Finding("business_unknown", "Nobody says which business account the number is of.", BUSINESS))
        found += address_findings(webhook_url)
        return Examined(_described(number), tuple(found), _notes(number, business) | meta_checks.until(token))

    async def connect(self, webhook_url: str, verify_token: str) -> str:
        """Subscribe the app to the business account and set the number's webhook. What was done, and what could not be."""
        token = await self._debugged()
        line = await self._check(token)
        if not webhook_url.startswith("https://"):
            return f"{line}; no public address, so no webhook is set"
        business = self._business or await self._found_business(token)
        subscribed = await self._subscribed(business)
        wanted = {"override_callback_uri": webhook_url, "verify_token": verify_token}
        self._read(await self._http.post(self._number, _encode({"webhook_configuration": wanted})))
        return joined(line, subscribed, await self._templates(business), "webhook set", by="; ")

    async def templates(self) -> WhatsAppTemplates:
        """Those of its business account. Permanent `business_unknown` when nobody says which that is."""
        business = self._business or await self._found_business(await self._debugged())
        if not business:
            raise Permanent("business_unknown", BUSINESS)
        return WhatsAppTemplates(self._http, self._root / business, self._verdicts)

    async def _subscribed(self, business: str) -> str:
        """Without it a webhook may be set, and nothing ever comes to it."""
        if not business:
            return "the app is NOT subscribed, and nothing will come: set WHATSAPP_BUSINESS_ACCOUNT_ID, and connect again"
        self._read(await self._http.post(self._root / business / "subscribed_apps", b"{}"))
        return f"app subscribed to business account {business}"

    async def _templates(self, business: str) -> str:
        if not business:
            return ""
        try:
            self._read(await self._http.get(self._root / business / "message_templates" % {"limit": 1, "fields": "name"}))
        except Failure as failure:
            return f"templates cannot be read ({failure.reason})"
        return "templates can be read"

    async def _found_business(self, token: Mapping[str, Any]) -> str:
        """The business account that this token is for, if it is for one; else the number's own, if the provider tells it."""
        for scope in map(fields, items(token.get("granular_scopes"))):
            targets = [ident(each) for each in items(scope.get("target_ids"))]
            if words(scope.get("scope")) == MANAGEMENT and len(targets) == 1:
                return targets[0]
        try:
            number = self._read(await self._http.get(self._number.with_query(fields="whatsapp_business_account")))
        except Failure:
            return ""
        return ident(fields(number, "whatsapp_business_account").get("id"))

    async def _debugged(self) -> dict[str, Any]:
        """What the provider says of the token itself; nothing where it does not."""
        return await meta_checks.debugged(self._http, self._root, self._token)

    def _read(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise meta.refusal(answer, self._verdicts)
        try:
            return fields(decoded(answer.body))
        except ValueError:
            return {}


def _described(number: Mapping[str, Any]) -> str:
    fares = joined(
        words(number.get("status")),
        f"quality {quality}" if (quality := words(number.get("quality_rating"))) else "",
        words(number.get("whatsapp_business_manager_messaging_limit")),
        by=", ",
    )
    return joined(
        f"WhatsApp {words(number.get('display_phone_number'))} ({words(number.get('verified_name'))})", fares, by="; "
    )


def _notes(number: Mapping[str, Any], business: str) -> dict[str, str]:
    return {
        account_health.QUALITY: words(number.get("quality_rating")),
        account_health.TIER: words(number.get("whatsapp_business_manager_messaging_limit")),
        account_health.THROUGHPUT: words(fields(number, "throughput").get("level")),
        account_health.NUMBER: "".join(filter(str.isdigit, words(number.get("display_phone_number")))),
        account_health.BUSINESS: business,
    }


def _lacking_scopes(token: Mapping[str, Any]) -> str:
    given = {words(each) for each in items(token.get("scopes"))}
    lacking = [each for each in (MESSAGING, MANAGEMENT) if given and each not in given]
    return f"the token lacks {' and '.join(lacking)}" if lacking else ""
