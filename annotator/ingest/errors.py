"""What a program is told when its request cannot be answered: a status, MLflow's code for it, and a sentence."""

from __future__ import annotations

import json

from django.http import HttpResponse


class ApiError(Exception):
    """The request is refused. The message says what is wrong with it and what to do.

    Attributes:
        status: The HTTP status; never 5xx, because the client would then try again for minutes.
        code: MLflow's error code, by which its client tells the cases apart.
        headers: Further headers of the answer.
    """

    status = 400
    code = "INVALID_PARAMETER_VALUE"

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}

    def response(self) -> HttpResponse:
        """The answer."""
        return error_response(self.status, self.code, str(self), headers=self.headers)


class InvalidRequestError(ApiError):
    """A field is missing or wrong. The message names it."""


class TooLargeError(ApiError):
    """More than the settings allow."""

    status = 413


class AlreadyThereError(ApiError):
    """The name is taken."""

    code = "RESOURCE_ALREADY_EXISTS"


class NotThereError(ApiError):
    """There is no such thing, or it is another team's."""

    status = 404
    code = "RESOURCE_DOES_NOT_EXIST"


class NoSuchRouteError(ApiError):
    """Nothing is at this address."""

    status = 404
    code = "ENDPOINT_NOT_FOUND"


class UnauthenticatedError(ApiError):
    """Nobody knows who is asking."""

    status = 401
    code = "UNAUTHENTICATED"


class ForbiddenError(ApiError):
    """The token, or the role of its person, does not reach so far."""

    status = 403
    code = "PERMISSION_DENIED"


class BusyError(ApiError):
    """Asked too often, or the database is busy; the client tries again by itself."""

    status = 429
    code = "REQUEST_LIMIT_EXCEEDED"


def error_response(
    status: int, code: str, message: str, *, headers: dict[str, str] | None = None
) -> HttpResponse:
    """The JSON object that MLflow's client makes an exception of."""
    text = json.dumps({"error_code": code, "message": message})
    return HttpResponse(text, status=status, content_type="application/json", headers=headers)
