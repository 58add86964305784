"""Quotas of one person: uploads that were begun and not completed, by number and bytes."""

from chat4all.model.files import StoredFile
from chat4all.model.sessions import Holding
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem

UPLOAD = "upload"
RETRY_AFTER_S = 60


def hold_upload(file_id: str, size: int, until: int) -> None:
    """Count an upload that begins. Problem 429 when it is too much: held first, then counted, so that two cannot both be last.

    Service clients act for many, and are trusted.
    """
    here, who = gateway(), caller()
    if who.sees_all:
        return
    here.store.hold([Holding(who.user_id, UPLOAD, file_id, size, until)])
    holdings = here.store.holdings(who.user_id, UPLOAD)
    most, bytes_most = here.settings.open_uploads, here.settings.open_upload_bytes
    if len(holdings) > most or sum(each.amount for each in holdings) > bytes_most:
        here.store.let_go(who.user_id, UPLOAD, [file_id])
        detail = f"at most {most} uploads and {bytes_most} bytes may be under way: complete some, or wait until they expire"
        raise Problem(429, "quota_exceeded", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def let_go_upload(file: StoredFile) -> None:
    """It is complete, or over."""
    if not caller().sees_all:
        gateway().store.let_go(file.owner, UPLOAD, [file.file_id])
