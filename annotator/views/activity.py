"""The activity log: who did what, when."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotator.http import AuthedRequest
from annotator.models import ActivityLog, FeedbackSession, Role, Trace
from annotator.models.hidden import hidden_from
from annotator.permissions import highest_role
from annotator.presenters.activity import entry_of

PAGE_SIZE = 50
# Entries that tell what somebody answered, or what came of it; their names are "<judge> on <trace>".
TELLING = ("assessment", "settlement", "disagreementcause")
# What one did in a batch or for oneself concerns no colleague either.
PRIVATE = (*TELLING, "assignment", "preferences")


@require_safe
def activity_list(request: AuthedRequest) -> HttpResponse:
    """The newest entries, or those older than `?older=<pk>`.

    Experts see of feedback only their own, and of sessions those that they review in.
    """
    entries = ActivityLog.objects.visible_to(request.user).select_related("actor").order_by("-pk")
    if highest_role(request.user) in (None, Role.EXPERT):
        # What colleagues answered is theirs to see only where they have answered themselves.
        entries = entries.filter(~Q(target_kind__in=PRIVATE) | Q(actor=request.user))
        sessions = FeedbackSession.objects.visible_to(request.user).values_list("pk", flat=True)
        entries = entries.filter(
            ~Q(target_kind="feedbacksession") | Q(target_id__in=[str(pk) for pk in sessions])
        )
    hidden = hidden_from(request.user)
    for name, traces in hidden.by_name.items():
        names = Trace.objects.filter(pk__in=traces).values_list("trace_id", flat=True)
        told = [f"{name} on {trace_id}"[:300] for trace_id in names]
        entries = entries.exclude(
            Q(target_kind__in=TELLING, target_name__in=told), ~Q(actor=request.user)
        )
    older = request.GET.get("older", "")
    if older.isdecimal() and len(older) < 19:
        entries = entries.filter(pk__lt=int(older))
    rows = list(entries[: PAGE_SIZE + 1])
    context = {
        "entries": [entry_of(row) for row in rows[:PAGE_SIZE]],
        "older": rows[PAGE_SIZE - 1].pk if len(rows) > PAGE_SIZE else None,
        "is_first": not older,
    }
    return render(request, "activity/list.html", context)
