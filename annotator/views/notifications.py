"""The link in each mail that switches its kind off."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from annotator.services import opt_out


# Mail programs send the POST by themselves (RFC 8058), without our cookie; the signed link is the permission.
@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def notification_off(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether to switch the mails of one kind off; a POST does it. Opening a link alone must change nothing."""
    found = opt_out.read_off_token(token)
    if found is None:
        raise Http404("This link is none of ours; take it anew from the mail.")
    user, kind = found
    if request.method == "POST":
        opt_out.switch(user=user, kind=kind, is_on=False)
    context = {"kind": kind.label, "person": user, "is_off": request.method == "POST"}
    return render(request, "notifications/off.html", context)
