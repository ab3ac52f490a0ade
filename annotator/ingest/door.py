"""The door for programs: everything below /api and /v1, and /version.

It stands before all that pages need. No session is opened, no form token asked for, nothing redirected; who is asking,
a token says. Whatever a client sends is answered with JSON, and never with 5xx, because MLflow's client would then try
again for four minutes.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, get_resolver

from annotator.ingest.errors import (
    ApiError,
    BusyError,
    ForbiddenError,
    InvalidRequestError,
    NoSuchRouteError,
    TooLargeError,
    UnauthenticatedError,
    error_response,
)
from annotator.ingest.limits import BeyondLimitError
from annotator.ingest.lines import FormatError
from annotator.models import Scope
from annotator.services.tokens import Caller, UnknownTokenError, find_caller

logger = logging.getLogger(__name__)

P = ParamSpec("P")

ROUTES = "annotator.ingest.urls"
# What databases say when others hold what is needed; the transaction was undone, so the client may send it again.
_BUSY = (
    "database is locked",
    "database table is locked",
    "deadlock detected",
    "could not serialize",
    "lock timeout",
)


_FAILED = (
    "Something failed here that should not; nothing was stored. The server's log has the details."
)


class MachineRequest(HttpRequest):
    """A request that came through the door; for annotations only."""

    caller: Caller


Answer = HttpResponse | dict[str, Any]
View = Callable[Concatenate[MachineRequest, P], Answer]
Endpoint = Callable[Concatenate[HttpRequest, P], HttpResponse]


class MachineDoor:
    """The first middleware: it answers programs itself and passes people's requests on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        if not is_for_programs(request.path_info):
            return self._get_response(request)
        try:
            response = _answer(request)
        except Exception:  # a bug of ours, or no database: still JSON, and the log has the rest
            logger.exception("%s %s failed.", request.method, request.path_info)
            response = error_response(500, "INTERNAL_ERROR", _FAILED)
        response["X-Content-Type-Options"] = "nosniff"
        return response


def is_for_programs(path: str) -> bool:
    """Whether the address belongs to the door."""
    return path == "/version" or f"{path}/".startswith(("/api/", "/v1/"))


def methods(**views: Endpoint[P]) -> Endpoint[P]:
    """One address, a view for each method."""

    def dispatch(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        view = views.get(request.method or "")
        if view is None:
            allowed = ", ".join(sorted(views))
            # Not ENDPOINT_NOT_FOUND: that would send MLflow's client to other, older addresses.
            response = InvalidRequestError(
                f"{request.method} is not allowed here; use {allowed}.", headers={"Allow": allowed}
            ).response()
            response.status_code = 405
            return response
        return view(request, *args, **kwargs)

    return dispatch


def needs(scope: Scope) -> Callable[[View[P]], Endpoint[P]]:
    """Let a view answer only programs whose token allows this; a dict that it returns is sent as JSON."""

    def decorate(view: View[P]) -> Endpoint[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            caller = _caller(request)
            if scope not in caller.scopes:
                raise ForbiddenError(
                    f"This token may not “{scope.label.lower()}”; make one that may under Settings, Tokens."
                )
            request.caller = caller  # type: ignore[attr-defined]
            answer = view(request, *args, **kwargs)  # type: ignore[arg-type]
            return json_response(answer) if isinstance(answer, dict) else answer

        return guarded

    return decorate


def json_response(data: Mapping[str, Any]) -> HttpResponse:
    """The object as JSON; it holds no NaN and no halves of characters, which the client could not read."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return HttpResponse(text, content_type="application/json")


def _answer(request: HttpRequest) -> HttpResponse:
    try:
        match = get_resolver(ROUTES).resolve(request.path_info)
    except Resolver404:
        return NoSuchRouteError(
            f"There is no {request.path_info} here; docs/sending-traces.md lists what there is."
        ).response()
    try:
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    except ApiError as error:
        return error.response()
    except FormatError as error:
        return InvalidRequestError(
            f"{error.field}: {error}" if error.field else str(error)
        ).response()
    except BeyondLimitError as error:
        return TooLargeError(str(error)).response()
    except PermissionDenied as error:
        return ForbiddenError(str(error)).response()
    except IntegrityError:
        # Two programs made the same thing at the same moment; the one that sends it again finds it there.
        logger.warning("%s met another write of the same.", request.path_info, exc_info=True)
        return _busy("Somebody else is writing the same; nothing was stored.")
    except OperationalError as error:
        if not any(words in str(error).lower() for words in _BUSY):
            raise
        return _busy("The database is busy; nothing was stored.")
    return response


def _busy(why: str) -> HttpResponse:
    return BusyError(f"{why} Send it again.", headers={"Retry-After": "1"}).response()


def _caller(request: HttpRequest) -> Caller:
    secret = _secret(request.META.get("HTTP_AUTHORIZATION", ""))
    try:
        if not secret:
            raise UnknownTokenError("No token came with the request.")
        caller = find_caller(secret)
    except UnknownTokenError as error:
        where = f"{request.scheme}://{request.META.get('HTTP_HOST', '')}/settings/tokens/"
        raise UnauthenticatedError(
            f"{error} Make one at {where} and set it as MLFLOW_TRACKING_TOKEN, or send it as “Authorization: Bearer …”.",
            headers={"WWW-Authenticate": 'Bearer realm="annotator"'},
        ) from None
    _buckets.take(caller.token_pk)
    return caller


def _secret(header: str) -> str:
    """The token in an Authorization header: after Bearer, or as the password of Basic, whatever the user name is."""
    kind, _, rest = header.strip().partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2].strip()


class _Buckets:
    """How much each token may still ask of this process: as much as a second allows, refilled as time goes by."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, token_pk: int) -> None:
        """Count a request.

        Raises:
            BusyError: when the token has used up what it may ask for now.
        """
        rate = float(settings.API_RATE_LIMIT)
        now = time.monotonic()
        with self._lock:
            left, then = self._left.get(token_pk, (rate, now))
            left = min(rate, left + (now - then) * rate)
            is_allowed = left >= 1
            self._left[token_pk] = (left - 1 if is_allowed else left, now)
        if not is_allowed:
            raise BusyError(
                f"This token has sent more than {settings.API_RATE_LIMIT} requests in a second; wait, or have API_RATE_LIMIT raised.",
                headers={"Retry-After": "1"},
            )


_buckets = _Buckets()
