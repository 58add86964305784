"""What a channel does with each kind of content, by its limits: for GET /v1/channels and docs/channels.md. Pure; no I/O."""

from typing import Any, get_args

import msgspec

from chat4all.model.content import API_NAMES, kinds, type_of
from chat4all.model.drafts import Sendable
from chat4all.model.windows import WindowRule
from chat4all.ports import Limits

NATIVE, ADAPTED, REFUSED = "native", "adapted", "refused"
SENT = {type_of(each) for each in get_args(Sendable)}


def described(name: str, limits: Limits) -> dict[str, Any]:
    """A channel as the API shows it."""
    return {"channel": name, "contents": contents(limits), "limits": shown_limits(limits)}


def contents(limits: Limits) -> dict[str, str]:
    """Kind by kind: native; adapted: it goes as another kind, or in words; refused: nobody sends it, providers bring it."""
    return {kind: _fate(kind, limits) for kind in kinds()}


def shown_limits(limits: Limits) -> dict[str, Any]:
    """How much fits: lengths in `text_unit`, bytes of a file by the beginning of its media type, choices by their style."""
    return {
        "text_length": limits.text_length,
        "text_unit": limits.text_unit,
        "caption_length": limits.caption_length,
        "file_bytes": limits.file_bytes,
        "upload_bytes": limits.upload_bytes,
        "shown": limits.shown,
        "choices": msgspec.to_builtins(limits.choices),
        "reactions": sorted(limits.reactions),
        "quotes": limits.quotes,
        "receipts": sorted(limits.receipts),
        "signals": sorted(limits.signals),
        "window": shown_rule(limits.window),
    }


def shown_rule(rule: WindowRule) -> dict[str, Any]:
    """When the account may write to a person."""
    return {"open_s": rule.open_s, "person_writes_first": bool(rule.open_s) or rule.first, "exempt": sorted(rule.exempt)}


def _fate(kind: str, limits: Limits) -> str:
    if kind not in SENT:
        return REFUSED
    has_own = {"text": True, API_NAMES["file"]: bool(limits.file_bytes or limits.upload_bytes), "choices": bool(limits.choices)}
    return NATIVE if has_own.get(kind, kind in limits.contents) else ADAPTED
