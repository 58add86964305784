"""What services refuse, as answers."""

from flask import Blueprint, Response

from chat4all.model.failures import Permanent
from chat4all.services.refusals import Conflict, NoSuch, Wrong
from chat4all.settings import SettingsError
from webapp.requests.problems import Problem


def answer_refusals(api: Blueprint, what: str) -> None:
    """Answer what the services behind these views refuse in the services' own words. `what`: of what the views are."""
    missing = Problem(404, f"unknown_{what}", f"there is no such {what}")
    unusable = f"the {what} cannot be used as it is: check it"

    def permanent(failure: Permanent) -> Response:
        return Problem(409, failure.reason, failure.detail or unusable).response()

    api.register_error_handler(Wrong, _wrong)
    api.register_error_handler(NoSuch, lambda _: missing.response())
    api.register_error_handler(Conflict, _conflict)
    api.register_error_handler(Permanent, permanent)
    api.register_error_handler(SettingsError, _unset)


def _wrong(wrong: Wrong) -> Response:
    return Problem(422, wrong.code, str(wrong), wrong.field).response()


def _conflict(conflict: Conflict) -> Response:
    return Problem(409, conflict.code, str(conflict)).response()


def _unset(error: SettingsError) -> Response:
    return Problem(503, "not_configured", str(error)).response()
