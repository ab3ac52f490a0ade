"""Feedback sessions: the list, and the page of one with what can be done in its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from annotator.http import AuthedRequest
from annotator.models import (
    ANNOUNCED,
    RUNNING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Goal,
    Judge,
    Role,
    SessionStatus,
    StandingRule,
    User,
)
from annotator.permissions import highest_role, require_role, role_required
from annotator.presenters.session_rows import (
    Bar,
    names_text,
    progress_text,
    stacked_bar,
    unreachable_text,
    window_text,
)
from annotator.presenters.words import count
from annotator.services import session_states as state_service
from annotator.services import sessions as session_service
from annotator.services.session_board import summary
from annotator.services.session_checks import SessionError
from annotator.services.session_plans import schedule_plan

SHOWN_PAST = 10
SHOWN_DUE = 6
SOON = timedelta(days=1)
GROUPS = (
    ("drafts", "Drafts", (SessionStatus.DRAFT,)),
    ("open", "Open", RUNNING),
    ("scheduled", "Scheduled", (SessionStatus.SCHEDULED,)),
    ("past", "Past", (SessionStatus.CLOSED, SessionStatus.SETTLED, SessionStatus.CANCELLED)),
)
STARTS = (
    (Goal.BALANCE, "Balance a judge", "Fill the side that a judge lacks with the fewest reviews, so that it can be aligned."),
    (Goal.DRIFT, "Check for drift", "A fresh, random, blind sample of the last days: is the judge still right?"),
    (Goal.SETTLE, "Settle disagreements", "Traces on which people, or people and the judge, differ, seen by one more person."),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """A session in the list."""

    session: FeedbackSession
    judges: str
    window: str
    people: str
    bar: Bar | None
    progress: str
    review_href: str
    review_text: str
    is_due: bool
    copy_href: str


@require_GET
def session_list(request: AuthedRequest) -> HttpResponse:
    """Sessions by state: those the user leads, and those the user reviews in."""
    now = timezone.now()
    sessions = list(
        FeedbackSession.objects.visible_to(request.user)
        .select_related("experiment")
        .prefetch_related("session_judges__judge")
        .order_by("-opens_at", "-pk")
    )
    rows = session_rows(request.user, sessions, now=now)
    groups = []
    for name, title, states in GROUPS:
        found = [row for row in rows if row.session.status in states]
        shown = found if name != "past" or "past" in request.GET else found[:SHOWN_PAST]
        if found:
            groups.append(
                {"name": name, "title": title, "rows": shown, "more": len(found) - len(shown)}
            )
    may_lead = highest_role(request.user) in (Role.LEAD, Role.ADMIN)
    ctx = {
        "groups": groups,
        "may_lead": may_lead,
        "starts": starting_points() if may_lead else [],
        "rules": StandingRule.objects.filter(
            template__in=FeedbackSession.objects.led_by(request.user)
        )
        .select_related("template")
        .order_by("-is_active", "next_at")
        if may_lead
        else [],
    }
    return render(request, "sessions/list.html", ctx)


def session_rows(
    user: User, sessions: Sequence[FeedbackSession], *, now: datetime
) -> list[SessionRow]:
    """What the list says of each session; the same few queries for any number of them."""
    led = {
        session.pk for session in sessions if user.has_role(session.experiment.team_id, Role.LEAD)
    }
    figures = summary([session for session in sessions if session.pk in led])
    own = own_places(user, sessions)
    return [
        _row(session, figures.get(session.pk), own.get(session.pk, []), now=now)
        for session in sessions
    ]


def due_sessions(user: User, *, now: datetime) -> list[SessionRow]:
    """For a lead's first page: those that run, and those that open within a day. One's own batches stand apart."""
    sessions = list(
        FeedbackSession.objects.led_by(user)
        .filter(Q(status__in=RUNNING) | Q(status=SessionStatus.SCHEDULED, opens_at__lt=now + SOON))
        .select_related("experiment")
        .prefetch_related("session_judges__judge")
        .order_by("closes_at", "pk")[:SHOWN_DUE]
    )
    return [
        replace(row, copy_href="", review_href="") for row in session_rows(user, sessions, now=now)
    ]


def own_places(user: User, sessions: Sequence[FeedbackSession]) -> dict[int, list[str]]:
    """The states of the user's own items by session; in one query. The warm-up is left out."""
    found: dict[int, list[str]] = {}
    rows = Assignment.objects.of(user).filter(
        item__session__in=[session.pk for session in sessions], item__is_warm_up=False
    )
    for session, state in rows.values_list("item__session_id", "state"):
        found.setdefault(session, []).append(state)
    return found


def _row(
    session: FeedbackSession,
    figures: dict[str, Any] | None,
    own: list[str],
    *,
    now: datetime,
) -> SessionRow:
    bar, progress, people = None, "", ""
    if figures is not None:
        people = (
            f"{count(figures['people'], 'person', 'people')}, {count(figures['items'], 'trace')}"
        )
        if session.status in ANNOUNCED:
            bar = stacked_bar({"done": figures["done"]}, total=figures["wanted"])
            progress = progress_text(done=figures["done"], wanted=figures["wanted"])
    elif own:
        bar = own_bar(own)
        progress = f"{own.count(AssignmentState.DONE)} of {len(own)} done"
    left = sum(state in (AssignmentState.TODO, AssignmentState.DRAFT) for state in own)
    may_answer = session.is_running and bool(own)
    return SessionRow(
        session=session,
        judges=names_text([each.judge.name for each in session.session_judges.all()]),
        window=window_text(session, now=now),
        people=people,
        bar=bar,
        progress=progress,
        review_href=reverse("batch-review", args=[session.pk]) if may_answer else "",
        review_text=review_text(own),
        is_due=may_answer and left > 0,
        copy_href=reverse("session-copy", args=[session.pk])
        if figures is not None and session.status != SessionStatus.DRAFT
        else "",
    )


def review_text(own: Sequence[str]) -> str:
    """What the button to the own batch says."""
    if all(state == AssignmentState.TODO for state in own):
        return "Start"
    is_over = not any(state in (AssignmentState.TODO, AssignmentState.DRAFT) for state in own)
    return "Look again" if is_over else "Go on"


def own_bar(own: Sequence[str]) -> Bar:
    """The bar of one's own batch."""
    return stacked_bar(
        {
            kind: own.count(state)
            for kind, state in (
                ("done", AssignmentState.DONE),
                ("draft", AssignmentState.DRAFT),
                ("flagged", AssignmentState.FLAGGED),
                ("skipped", AssignmentState.SKIPPED),
            )
        },
        total=len(own),
    )


def starting_points(judge: Judge | None = None) -> list[dict[str, str]]:
    """Three ways to begin, each of which fills the builder."""
    about = {"judge": judge.pk} if judge else {}
    return [
        {
            "title": title,
            "text": text,
            "href": f"{reverse('session-create')}?{urlencode({'goal': goal.value, **about})}",
        }
        for goal, title, text in STARTS
    ]


def get_led_session(request: AuthedRequest, pk: int) -> FeedbackSession:
    """The session, if the user sees it and leads its team.

    Raises:
        Http404: when the user cannot see it.
        PermissionDenied: when the user only reviews in it.
    """
    session = get_session(request, pk)
    require_role(request.user, session.experiment.team_id, Role.LEAD)
    return session


def get_session(request: AuthedRequest, pk: int) -> FeedbackSession:
    """The session, if the user may see it; else 404."""
    sessions = FeedbackSession.objects.visible_to(request.user).select_related(
        "experiment__team", "created_by", "copied_from"
    )
    return get_object_or_404(sessions, pk=pk)


@require_POST
@role_required(Role.LEAD)
def session_copy(request: AuthedRequest, pk: int) -> HttpResponse:
    """A draft like this one, with new traces; the builder opens on it."""
    session = get_led_session(request, pk)
    try:
        copy = session_service.copy_session(actor=request.user, session=session)
    except SessionError as error:
        messages.error(request, str(error))
        return redirect("session-detail", pk)
    messages.success(
        request, "Copied: the same judges, people and settings. The traces are drawn anew."
    )
    return redirect("session-edit", copy.pk)


ACTIONS = {
    "schedule": "{name} is scheduled. {told}",
    "cancel": "{name} is called off. Feedback that was given stays.",
    "close": "{name} is closed. What was answered stays, drafts too.",
    "finish": "{name} is finished.",
}


@require_POST
@role_required(Role.LEAD)
def session_act(request: AuthedRequest, pk: int) -> HttpResponse:
    """Schedule, call off, close or settle a session, or throw a draft away."""
    session = get_led_session(request, pk)
    action = request.POST.get("action", "")
    try:
        if action == "delete":
            session_service.delete_draft(actor=request.user, session=session)
            messages.success(request, f"The draft {session.name} is deleted.")
            return redirect("session-list")
        _do(request, session, action)
    except SessionError as error:
        messages.error(request, str(error))
    return redirect("session-detail", pk)


def _do(request: AuthedRequest, session: FeedbackSession, action: str) -> None:
    user, now = request.user, timezone.now()
    match action:
        case "schedule":
            schedule_plan(
                actor=user,
                session=session,
                now=now,
                allow_short=request.POST.get("allow_short") == "1",
            )
            done = True
        case "cancel":
            done = state_service.cancel_session(actor=user, session=session, now=now)
        case "close":
            done = state_service.close_session(actor=user, session=session, now=now)
        case "finish":
            done = state_service.settle_session(
                actor=user, session=session, now=now, leave_unsettled=True
            )
        case _:
            raise SessionError("Choose what to do with the session.")
    if not done:
        raise SessionError(
            f"That cannot be done any more: {session.name} is {session.get_status_display().lower()}."
        )
    reviewers = session.reviewers.filter(removed_at=None).select_related("user").order_by("pk")
    told = unreachable_text(reviewers) or "Its reviewers are told."
    messages.success(request, ACTIONS[action].format(name=session.name, told=told))
