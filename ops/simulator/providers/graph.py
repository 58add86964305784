"""What Meta's providers share: tokens in the header or the query, the Graph API's errors, signed webhooks."""

import hashlib
import hmac
import secrets
from typing import Any

import msgspec

from ops.simulator.model import Answer, Call, Refused
from ops.simulator.providers.provider import encode

READ_THE_MANUAL = "Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api"


def token(call: Call) -> str:
    """The caller's access token, "" without one. Meta takes it in either place; the header comes first."""
    kind, _, given = call.headers.get("Authorization", "").partition(" ")
    if kind.lower() in {"bearer", "oauth"} and given:
        return given.strip()
    return call.query.get("access_token", "")


def authorize(call: Call, wanted: str, missing: Refused) -> None:
    """Refused without the account's token; `missing` is what is said to those who show none."""
    given = token(call)
    if not given:
        raise missing
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        words = "Invalid OAuth access token - Cannot parse access token"
        raise Refused(190, 401, words=words, kind="OAuthException")


def body_of(call: Call) -> dict[str, Any]:
    """The call's JSON; an empty one where it is none."""
    try:
        return msgspec.json.decode(call.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def unknown_object(method: str, name: str) -> Refused:
    """There is nothing of this id, or it does not do that."""
    words = (
        f"Unsupported {method.lower()} request. Object with ID '{name}' does not exist, cannot be loaded due to missing "
        f"permissions, or does not support this operation. {READ_THE_MANUAL}"
    )
    return Refused(100, 400, words=words, subcode=33, kind="GraphMethodException")


def unknown_path(path: str) -> Refused:
    """Nothing is at such a path."""
    return Refused(2500, 400, words=f"Unknown path components: /{path}", kind="OAuthException")


def error(refused: Refused, kind: str, title: str, details: str = "") -> Answer:
    """Meta's error envelope. `details` are of WhatsApp's errors only, which carry their own block for them."""
    said = refused.words or f"(#{refused.code}) {title}"
    body: dict[str, Any] = {"message": said, "type": refused.kind or kind, "code": refused.code}
    if refused.subcode:
        body["error_subcode"] = refused.subcode
    if details:
        body["error_data"] = {"messaging_product": "whatsapp", "details": details}
    body["fbtrace_id"] = f"A{secrets.token_urlsafe(16)}"
    headers = {} if refused.retry_after is None else {"Retry-After": f"{refused.retry_after:g}"}
    return Answer(encode({"error": body}), refused.status, headers)


def hub_signature(secret: str, body: bytes) -> dict[str, str]:
    """X-Hub-Signature-256."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
