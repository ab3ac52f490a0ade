"""My batches: what waits for a reviewer, the way into a batch, and the page at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max, Min, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from annotator.http import AuthedRequest, render_either
from annotator.models import (
    WAITING,
    Assessment,
    Assignment,
    FeedbackSession,
    Reviewer,
    SessionStatus,
    User,
)
from annotator.presenters.batches import Line, Progress, Rest, figures_of, progress_of
from annotator.presenters.focus import item_address
from annotator.services import assignments as assignment_service
from annotator.services import submissions as submission_service
from annotator.services.own_answers import settled_answers
from annotator.services.session_checks import SessionError

MOST_CLOSED = 5
MOST_CHANGED = 20
TAKEN_AT_ONCE = 5


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """A session on the list, with how far the reader's batch in it is."""

    session: FeedbackSession
    progress: Progress
    seconds: int
    is_running: bool
    until: datetime | None


@cache_control(no_cache=True)
@require_safe
def offline_worker(request: AuthedRequest) -> HttpResponse:
    """The service worker of the review screen: from here, because it may only serve what lies beside it."""
    script = "batches/offline_worker.js"
    return render(request, script, content_type="text/javascript; charset=utf-8")


@require_safe
def batch_list(request: AuthedRequest) -> HttpResponse:
    """The reader's batches: those that wait, those to come, and the last that are over."""
    rows = batch_rows(request.user)
    context = {
        "running": [row for row in rows if row.is_running],
        "to_come": [row for row in rows if row.session.status == SessionStatus.SCHEDULED],
        "over": [
            row
            for row in rows
            if not row.is_running and row.session.status != SessionStatus.SCHEDULED
        ][:MOST_CLOSED],
    }
    return render(request, "batches/list.html", context)


@require_safe
def batch_review(request: AuthedRequest, pk: int) -> HttpResponse:
    """Open the next item of the reader's batch that waits; without one, say why and what now."""
    session = get_session(request.user, pk)
    after = request.GET.get("after", "")
    behind = (
        Assignment.objects.of(request.user).filter(item__session=session, pk=int(after)).first()
        if after.isdecimal() and len(after) < 19
        else None
    )
    own_end = session.reviewers.values_list("closes_at", flat=True).get(user=request.user)
    if session.is_running_for(own_end, timezone.now()):
        following = assignment_service.next_for(user=request.user, session=session, after=behind)
        if following is not None:
            return redirect("batch-item", pk, following.pk)
    return render_either(
        request, "batches/end.html", "batches/_end.html", _end(request.user, session)
    )


@require_POST
def batch_more(request: AuthedRequest, pk: int) -> HttpResponse:
    """Take more items, where the lead allows it."""
    session = get_session(request.user, pk)
    try:
        taken = assignment_service.take_more(
            user=request.user, session=session, count=TAKEN_AT_ONCE
        )
    except SessionError as error:
        messages.error(request, str(error))
        return redirect("batch-review", pk)
    if not taken:
        messages.info(request, "Nothing is free just now: all is answered, or open at a colleague.")
    return redirect("batch-review", pk)


@require_POST
def batch_undo(request: AuthedRequest, pk: int) -> HttpResponse:
    """Take the reader's last answer in the session back; it is a draft again, and opens."""
    session = get_session(request.user, pk)
    last = _last_answered(request.user, session)
    if last is None:
        messages.info(request, "There is no answer of yours to undo in this session.")
        return redirect("batch-review", pk)
    try:
        submission_service.undo(user=request.user, assignment=last)
    except SessionError as error:
        messages.error(request, str(error))
        return redirect("batch-review", pk)
    messages.success(request, "Undone: your answer is a draft again.")
    return redirect("batch-item", pk, last.pk)


def get_session(user: User, pk: int) -> FeedbackSession:
    """The session, if the user reviews in it; 404 for everybody else, leads included."""
    sessions = FeedbackSession.objects.reviewed_by(user).select_related("experiment")
    return get_object_or_404(sessions, pk=pk)


def batch_rows(user: User, *, running_only: bool = False) -> list[BatchRow]:
    """The user's batches, the one that ends first on top; in two queries."""
    sessions = FeedbackSession.objects.reviewed_by(user).select_related("experiment")
    if running_only:
        sessions = sessions.running()
    counts = {
        row["item__session"]: row
        for row in Assignment.objects.of(user)
        .filter(item__session__in=sessions)
        .order_by()
        .values("item__session")
        .annotate(
            total=Count("pk"),
            done=Count("pk", filter=~Q(state__in=WAITING)),
            shared=Count("pk", filter=Q(item__is_shared=True)),
            seconds=Sum("active_seconds"),
            own_end=Max("reviewer__closes_at"),
        )
    }
    nothing: dict[str, Any] = {"total": 0, "done": 0, "shared": 0, "own_end": None}
    now = timezone.now()
    rows = []
    for session in sessions.order_by("closes_at", "pk"):
        count = counts.get(session.pk, nothing)
        progress = Progress(done=count["done"], total=count["total"], shared=count["shared"])
        is_open, own_end = session.status == SessionStatus.OPEN, count["own_end"]
        row = BatchRow(
            session=session,
            progress=progress,
            seconds=count.get("seconds") or 0,
            is_running=session.is_running_for(own_end, now),
            until=session.closes_for(own_end) if is_open else session.ends_for(own_end),
        )
        if row.is_running or not running_only:
            rows.append(row)
    over = [
        row for row in rows if not row.is_running and row.session.status != SessionStatus.SCHEDULED
    ]
    return [row for row in rows if row not in over] + over[::-1]


def own_batch(user: User, session: FeedbackSession) -> list[Line]:
    """The user's batch in its order, as lists show it."""
    rows = Assignment.objects.of(user).filter(item__session=session).order_by("position", "pk")
    # Not as objects: this is read with each answer, and batches may be long.
    return [
        Line(*row)
        for row in rows.values_list(
            *("pk", "state", "given_back_at", "active_seconds"),
            *("item__is_shared", "item__is_warm_up"),
            *("item__trace__trace_id", "item__trace__request_preview"),
        )
    ]


def batch_order(user: User, session: FeedbackSession) -> list[int]:
    """The pks of the user's places in the session, in their order."""
    places = Assignment.objects.of(user).filter(item__session=session)
    return list(places.order_by("position", "pk").values_list("pk", flat=True))


def taken_by_others(user: User, batch: Sequence[Line]) -> set[int]:
    """The pks of places that were given back and that others have filled since; nothing is asked when none was."""
    given_back = {each.pk for each in batch if each.is_waiting and each.given_back_at}
    if not given_back:
        return set()
    still_open = Assignment.objects.of(user).filter(pk__in=given_back).open_to_answer()
    return given_back - set(still_open.values_list("pk", flat=True))


def rest_of(reviewer: Reviewer, *, now: datetime) -> Rest:
    """What of the session is left besides the reviewer's own batch."""
    dealt_with = Assignment.objects.filter(reviewer=reviewer).exclude(state__in=WAITING)
    elsewhere = (
        Assignment.objects.taking_a_place()
        .filter(item__session=reviewer.session_id, state__in=WAITING)
        .filter(item__is_shared=False, item__is_warm_up=False)
        .exclude(reviewer=reviewer)
        .exclude(item__in=dealt_with.values("item"))
    )
    is_held = Q(lease_until__gte=now)
    found = elsewhere.aggregate(
        waiting=Count("item", distinct=True),
        held=Count("item", distinct=True, filter=is_held),
        people=Count("reviewer", distinct=True, filter=is_held),
        next_free_at=Min("lease_until", filter=is_held),
    )
    return Rest(free=assignment_service.free_for(reviewer, now=now).count(), **found)


def _last_answered(user: User, session: FeedbackSession) -> Assignment | None:
    """The place of the user's last answer in force; practising counts as answering."""
    places = (
        Assignment.objects.of(user)
        .filter(item__session=session)
        .select_related("item__session__experiment", "item__trace", "reviewer")
    )
    answers = Assessment.objects.human().filter(assignment=OuterRef("pk"), span_id="")
    return (
        places.annotate(
            answered_at=Coalesce(
                Subquery(answers.order_by("-created_at").values("created_at")[:1]), "submitted_at"
            )
        )
        .filter(answered_at__isnull=False)
        .order_by("-answered_at", "-pk")
        .first()
    )


def _end(user: User, session: FeedbackSession) -> dict[str, Any]:
    batch = own_batch(user, session)
    now = timezone.now()
    progress = progress_of(batch)
    reviewer = session.reviewers.get(user=user)
    is_running = session.is_running_for(reviewer.closes_at, now)
    rest = rest_of(reviewer, now=now) if is_running else None
    may_take_more = is_running and assignment_service.may_take_more(session)
    settled = settled_answers(user=user, session=session)
    others = (
        Assignment.objects.filter(
            item__session=session,
            item__is_shared=True,
            state__in=WAITING,
            reviewer__removed_at=None,
        )
        .exclude(reviewer__user=user)
        .values("item")
        .distinct()
        .count()
    )
    return {
        "session": session,
        "kind": _kind(session, progress, is_running=is_running),
        "progress": progress,
        "first_address": item_address(session.pk, batch[0].pk) if batch else "",
        "figures": figures_of(
            batch, settled=len(settled), agreeing=sum(answer.agrees for answer in settled)
        ),
        "changed": [answer for answer in settled if not answer.agrees][:MOST_CHANGED],
        "shared_waiting": others,
        "rest": rest,
        "is_running": is_running,
        "closed_at": session.closed_at or session.ends_for(reviewer.closes_at),
        "opens_for_all": session.status == SessionStatus.OPEN and session.grace_minutes > 0,
        "may_take_more": may_take_more,
        "count": min(TAKEN_AT_ONCE, rest.free) if rest else 0,
        "waits_for_others": bool(may_take_more and rest and rest.held and not rest.free),
    }


def _kind(session: FeedbackSession, progress: Progress, *, is_running: bool) -> str:
    if session.status == SessionStatus.SCHEDULED:
        return "not_open"
    if not is_running:
        return "closed"
    if not progress.total:
        return "nothing"
    return "taken" if progress.left else "done"
