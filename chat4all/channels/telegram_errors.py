"""What the errors of Telegram's Bot API mean: try again, later, never, or at another address. Pure; no I/O."""

from collections.abc import Mapping
from typing import Any

from chat4all.channels.json_fields import ident
from chat4all.model.failures import AddressMoved, Failure, Permanent, Temporary, Throttled
from chat4all.ports import ErrorLine

NO_TEXT, UNCHANGED, NO_PICTURE, NO_NAMES = "no_text", "unchanged", "no_picture", "no_names"
# What Telegram says in words only; the rest of a 403 or 400 is final as well.
REASONS = {
    "no text in the message": NO_TEXT,
    "no caption in the message": "not_supported",
    "message is not modified": UNCHANGED,
    "method not found": "not_supported",
    "REACTION_INVALID": "not_supported",
    "REACTION_EMPTY": "not_supported",
    "message to edit not found": "target_gone",
    "message to react not found": "target_gone",
    "message to delete not found": "target_gone",
    "MESSAGE_ID_INVALID": "target_gone",
    "message can't be edited": "too_late",
    "message can't be deleted": "too_late",
    "bot was blocked": "blocked",
    "user is deactivated": "deactivated",
    "initiate conversation": "not_started",
    "bot was kicked": "removed",
    "not a member": "removed",
    "chat not found": "unknown_address",
    "PEER_ID_INVALID": "unknown_address",
    "upgraded to a supergroup": "moved",
    "PHOTO_INVALID_DIMENSIONS": NO_PICTURE,
    "PHOTO_EXT_INVALID": NO_PICTURE,
    "PHOTO_SAVE_FILE_INVALID": NO_PICTURE,
    "IMAGE_PROCESS_FAILED": NO_PICTURE,
    "non-anonymous polls can't be sent": NO_NAMES,
    "HTTP URL": "media",
    "file is too big": "media",
}


# By code alone; from 500 on as 500.
BY_CODE = (
    ErrorLine(401, Temporary, "credentials"),
    ErrorLine(404, Temporary, "credentials"),
    ErrorLine(409, Temporary, "another_receiver"),
    ErrorLine(429, Throttled, "rate_limit", wait=1.0),
    ErrorLine(500, Temporary, "provider_error"),
)
OTHERWISE = (ErrorLine(400, Permanent, "invalid"), ErrorLine(403, Permanent, "forbidden"))
ERRORS = (*BY_CODE, *(ErrorLine(400, Permanent, reason, words=words) for words, reason in REASONS.items()), *OTHERWISE)
_by_code = {each.code: each for each in BY_CODE}


def failure(code: int, description: str, parameters: Mapping[str, Any]) -> Failure:
    """What Telegram's error means. Its description names no person, but is not repeated all the same."""
    detail = f"code {code}"
    line = _by_code.get(min(code, 500))
    if line and line.kind is Throttled:
        asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
        return Throttled(line.reason, asked if isinstance(asked, int | float) else line.wait, detail)
    # A method that is not there is a 404 too, and no fault of the account.
    if line and not (code == 404 and "method not found" in description):
        return line.kind(line.reason, detail)
    to = ident(parameters.get("migrate_to_chat_id"))
    if to:
        return AddressMoved("moved", to, detail)
    reason = next((reason for words, reason in REASONS.items() if words.lower() in description.lower()), "")
    invalid, forbidden = OTHERWISE
    return Permanent(reason or (forbidden if code == forbidden.code else invalid).reason, detail)
