"""What Meta's channels look at when an account is examined. Only codes are read: words change, and may hold addresses."""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from typing import Any

from yarl import URL

from chat4all.channels import meta
from chat4all.channels.http import Answer, Http
from chat4all.channels.json_fields import decoded, fields, ident, items, words
from chat4all.model.account_health import UNTIL
from chat4all.model.failures import Failure
from chat4all.ports import Finding

INVALID_TOKEN, UNKNOWN, INVALID = 190, 33, 100
EXPIRED = frozenset({463, 467})
PERMISSION = frozenset({3, 10, *range(200, 300)})
TOKEN = "Make a new token in Meta's Business settings, under System users, and rotate the account's credentials."  # noqa: S105


def said(answer: Answer) -> dict[str, Any]:
    """The object in an answer, empty where there is none."""
    try:
        return fields(decoded(answer.body))
    except ValueError:
        return {}


def refusal(answer: Answer, verdicts: meta.Verdicts) -> Finding:
    """Why the account cannot be read with its token. Raises what is no answer about the account."""
    error = meta.read_error(answer)
    if error is None:
        raise meta.refusal(answer, verdicts)
    if error.code == INVALID_TOKEN and error.error_subcode in EXPIRED:
        return Finding("token_expired", "The token is no longer good.", TOKEN, True)
    if error.code == INVALID_TOKEN:
        return Finding("token_refused", "Meta does not accept the token.", TOKEN, True)
    if error.code == UNKNOWN or (error.code, error.error_subcode) == (INVALID, UNKNOWN):
        mend = "Compare provider_account_id with the id in Meta's console, and give the token's owner access to this account."
        return Finding("account_unknown", "The token sees no account of this id.", mend, True)
    if error.code in PERMISSION:
        mend = "Give the token the permissions that docs/accounts.md lists, and rotate the account's credentials."
        return Finding("permission_missing", "The token may not read the account.", mend, True)
    raise meta.refusal(answer, verdicts)


def lacking(token: Mapping[str, Any], wanted: Collection[str]) -> list[Finding]:
    """The permissions that a token lacks, where Meta told them."""
    given = {words(each) for each in items(token.get("scopes"))}
    mend = "Make a token with it, and rotate the account's credentials."
    return [Finding("scope_missing", f"The token lacks {each}.", mend) for each in wanted if given and each not in given]


async def debugged(http: Http, root: URL, token: str) -> dict[str, Any]:
    """What the provider says of the token itself; nothing where it does not."""
    try:
        answer = await http.get((root / "debug_token").with_query(input_token=token))
    except Failure:
        return {}
    return fields(said(answer), "data") if answer.status == 200 else {}


def until(token: Mapping[str, Any]) -> dict[str, str]:
    """Until when a token is good, where Meta told it; for ever is nothing to note."""
    at = token.get("expires_at")
    return {UNTIL: str(at * 1000) if at else ""} if isinstance(at, int) and at >= 0 else {}


async def secret_findings(http: Http, account: URL, token: str, app_secret: str) -> list[Finding]:
    """Whether the app's secret is the one of the token's app. Only after the same question went well without a proof."""
    proof = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    answer = await http.get(account.with_query(fields="id", appsecret_proof=proof))
    error = meta.read_error(answer)
    if error is None or error.code != INVALID:
        return []
    mend = "Copy it from the app's dashboard, under App settings, Basic, and rotate it in the account, or in its app."
    return [Finding("secret_wrong", "app_secret is not the secret of the app that the token is for.", mend, True)]


def subscribed_findings(answer: Answer, app: str, wanted: str) -> list[Finding]:
    """Whether updates come to the token's app. `app`: its id, "" where it is not known; `wanted`: a field that is needed."""
    apps = [fields(each) for each in items(said(answer).get("data"))] if answer.status == 200 else []
    mend = "Connect the account: that subscribes the app."
    ours = [each for each in apps if not app or app in {ident(each.get("id")), ident(fields(each, _LINKED).get("id"))}]
    if not ours:
        return [Finding("not_subscribed", "The app is not subscribed to the account: nothing comes.", mend)]
    subscribed = {words(each) for one in ours for each in items(one.get("subscribed_fields"))}
    if wanted and subscribed and wanted not in subscribed:
        return [Finding("not_subscribed", f"The app is not subscribed to {wanted}.", mend)]
    return []


_LINKED = "whatsapp_business_api_data"
