"""What every view shares: the typed request, and a page or a part of it as the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from annotator.models import User


class AuthedRequest(HttpRequest):
    """A request behind `LoginRequiredMiddleware` and `HtmxMiddleware`; for annotations only."""

    user: User
    htmx: HtmxDetails


def render_either(
    request: AuthedRequest,
    page: str,
    partial: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """Render the partial for an htmx swap, the whole page for everything else."""
    response = render(request, partial if is_swap(request) else page, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def is_swap(request: AuthedRequest) -> bool:
    """Whether htmx wants a part of the page."""
    htmx = request.htmx
    return bool(htmx and not htmx.boosted and not htmx.history_restore_request)
