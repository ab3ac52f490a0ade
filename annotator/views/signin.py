"""Signing in by the one-time link that `make run` prints."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from annotator.services import signin


@require_GET
@never_cache
@login_not_required
def start(request: HttpRequest, secret: str) -> HttpResponse:
    """Use the link up and go to the first page; a link that does not work says what does."""
    # A proxy on this machine would make everybody look local: its own headers give it away.
    is_passed_on = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    address = "" if is_passed_on else request.META.get("REMOTE_ADDR", "")
    try:
        user = signin.use_link(secret=secret, address=address)
    except signin.SignInError as error:
        if (
            request.user.is_authenticated
        ):  # a browser may have followed the link once before showing it
            return redirect("/")
        return render(request, "registration/link_refused.html", {"reason": str(error)}, status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("/")
