"""More time for the reviewers ticked on a session's board."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from annotator.http import AuthedRequest
from annotator.models import FeedbackSession, Reviewer, Role
from annotator.permissions import role_required
from annotator.presenters.session_rows import names_text
from annotator.services.more_time import give_more_time
from annotator.services.session_checks import SessionError
from annotator.views.judge_forms import dress
from annotator.views.session_fields import ClockField, clock_at, moment_at
from annotator.views.sessions import get_led_session

PROPOSED = timedelta(days=1)


class MoreTimeForm(forms.Form):
    """Until when, on the session's own clock."""

    closes_at = ClockField(label="Until", error_messages={"required": "Say until when."})

    def __init__(self, data: QueryDict | None = None, *, session: FeedbackSession) -> None:
        end = max(session.ends_at or timezone.now(), timezone.now())
        super().__init__(data, initial={"closes_at": clock_at(end + PROPOSED, session.zone)})
        self._zone: ZoneInfo = session.zone
        dress(self)

    def clean_closes_at(self) -> Any:
        """The moment."""
        try:
            return moment_at(self.cleaned_data["closes_at"], self._zone)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


@require_POST
@role_required(Role.LEAD)
def session_more_time(request: AuthedRequest, pk: int) -> HttpResponse:
    """Give the people named another end, or take it back."""
    session = get_led_session(request, pk)
    pks = [each for each in request.POST.getlist("reviewer") if each.isdecimal() and len(each) < 18]
    chosen = list(
        session.reviewers.filter(pk__in=pks, removed_at=None).select_related("user").order_by("pk")
    )
    if not chosen:
        messages.error(request, "Tick the people first who get more time.")
        return redirect("session-detail", pk)
    takes_back = request.POST.get("action") == "take_back"
    form = MoreTimeForm(None if takes_back else request.POST, session=session)
    if not takes_back and not form.is_valid():
        return more_time_page(request, session, chosen, form=form)
    try:
        give_more_time(
            actor=request.user,
            session=session,
            reviewers=chosen,
            closes_at=None if takes_back else form.cleaned_data["closes_at"],
        )
    except SessionError as error:
        if takes_back or error.field not in form.fields:
            messages.error(request, str(error))
            return redirect("session-detail", pk)
        form.add_error(error.field, str(error))
        return more_time_page(request, session, chosen, form=form)
    who = names_text([str(each.user) for each in chosen], most=6)
    if takes_back:
        messages.success(request, f"The session's own end holds again for {who}.")
    else:
        are = "has" if len(chosen) == 1 else "have"
        messages.success(request, f"{who} {are} more time, and {are} been told.")
    return redirect("session-detail", pk)


def more_time_page(
    request: AuthedRequest,
    session: FeedbackSession,
    chosen: list[Reviewer],
    *,
    form: MoreTimeForm | None = None,
) -> HttpResponse:
    """The page that asks until when."""
    ctx = {
        "session": session,
        "chosen": chosen,
        "who": names_text([str(each.user) for each in chosen], most=6),
        "form": form or MoreTimeForm(session=session),
        "zone": session.zone.key.replace("_", " "),
        "ends_at": session.ends_at,
        "has_more": any(each.closes_at for each in chosen),
    }
    return render(request, "sessions/more_time.html", ctx, status=422 if form else 200)
