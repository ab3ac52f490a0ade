"""The page of one session: a lead's hand-out table and board, by state; a reviewer's own part in it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from annotator.http import AuthedRequest, render_either
from annotator.models import (
    RUNNING,
    Assignment,
    FeedbackSession,
    Item,
    Role,
    SessionStatus,
    StandingRule,
)
from annotator.models.hidden import hidden_from
from annotator.presenters.session_board import board_view, items_href
from annotator.presenters.session_rows import names_text, unreachable_text, window_text
from annotator.presenters.words import count
from annotator.services import session_states as state_service
from annotator.services.mail_texts import calendar_file
from annotator.services.notifications import Message
from annotator.services.session_agreement import session_agreement
from annotator.services.session_board import board_of
from annotator.services.session_mail import invitation, opening
from annotator.services.sessions import loads
from annotator.views.session_rules import RuleForm
from annotator.views.sessions import get_session, own_bar, own_places, review_text

STATE_HELP = {
    SessionStatus.DRAFT: "Nobody knows of it yet. Check who gets which items, then schedule it.",
    SessionStatus.SCHEDULED: "Its reviewers are told. It opens by itself at its time.",
    SessionStatus.OPEN: "",
    SessionStatus.GRACE: "The time is over; what is left can still be answered, by anybody in the session.",
    SessionStatus.CLOSED: "Nobody answers any more. What was answered stays; settle what people disagree on, and it is settled by itself.",
    SessionStatus.SETTLED: "It is finished.",
    SessionStatus.CANCELLED: "It was called off. Feedback that was given before stays.",
}
_SEEN = (SessionStatus.OPEN, SessionStatus.GRACE, SessionStatus.CLOSED, SessionStatus.SETTLED)


@require_GET
def session_detail(request: AuthedRequest, pk: int) -> HttpResponse:
    """For leads the hand-out or the board, the board alone for htmx; for others their own part."""
    session = get_session(request, pk)
    if not request.user.has_role(session.experiment.team_id, Role.LEAD):
        return _own_part(request, session)
    now = timezone.now()
    ctx: dict[str, Any] = {
        "session": session,
        "state_help": STATE_HELP[SessionStatus(session.status)],
        **_head(request, session, now=now),
    }
    if session.status == SessionStatus.DRAFT:
        ctx.update(_handout(session))
    else:
        ctx.update(_board(request, session, now=now))
        rule = StandingRule.objects.filter(template=session).first()
        ctx.update(rule=rule, rule_form=RuleForm(rule=rule))
        if session.status == SessionStatus.SCHEDULED:
            ctx.update(_handout(session))
    return render_either(request, "sessions/detail.html", "sessions/_board.html", ctx)


@require_GET
def session_calendar(request: AuthedRequest, pk: int) -> HttpResponse:
    """The session's window as a calendar file."""
    session = get_session(request, pk)
    if session.opens_at is None or session.closes_at is None:
        return HttpResponse(
            "This session has no time yet; say when it opens and closes, then take the file.",
            status=409,
            content_type="text/plain",
        )
    response = HttpResponse(calendar_file(session, request.user), content_type="text/calendar")
    response.headers["Content-Disposition"] = content_disposition_header(
        as_attachment=True, filename=f"session-{session.pk}.ics"
    )
    return response


def _own_part(request: AuthedRequest, session: FeedbackSession) -> HttpResponse:
    now = timezone.now()
    own = own_places(request.user, [session]).get(session.pk, [])
    own_end = session.reviewers.values_list("closes_at", flat=True).get(user=request.user)
    is_running = session.is_running_for(own_end, now)
    ctx = {
        "session": session,
        "is_running": is_running,
        "window": window_text(session, now=now, own_end=own_end),
        "judges": [
            each.judge for each in session.session_judges.select_related("judge__experiment")
        ],
        "bar": own_bar(own),
        "done": own.count("DONE"),
        "total": len(own),
        "left": own.count("TODO") + own.count("DRAFT"),
        "review_text": review_text(own),
        "review_href": reverse("batch-review", args=[session.pk]) if is_running else "",
    }
    return render(request, "sessions/mine.html", ctx)


def _head(request: AuthedRequest, session: FeedbackSession, *, now: Any) -> dict[str, Any]:
    judges = [each.judge.name for each in session.session_judges.select_related("judge")]
    act, status = reverse("session-act", args=[session.pk]), session.status
    links = []
    actions = []
    if status == SessionStatus.DRAFT:
        links.append(_link("Change", "session-edit", session))
        actions.append(_action(act, "delete", "Delete the draft"))
    if status in (SessionStatus.SCHEDULED, *RUNNING):
        links.append(_link("Change people, overlap or time", "session-change", session))
        actions.append(_action(act, "cancel", "Call off"))
    if status in RUNNING:
        actions.append(_action(act, "close", "Close now"))
    if status == SessionStatus.CLOSED:
        actions.append(_action(act, "finish", "Finish without settling the rest"))
    if status != SessionStatus.DRAFT:
        actions.append(_action(reverse("session-copy", args=[session.pk]), "copy", "Copy"))
    if session.closes_at and status in (SessionStatus.SCHEDULED, *RUNNING):
        links.append(_link("Calendar file", "session-calendar", session))
    own = own_places(request.user, [session]).get(session.pk)
    shared = session.items.filter(is_shared=True).count() or session.shared_items
    overlap = "one person" if session.overlap == 1 else f"{session.overlap} people"
    return {
        "links": links,
        "actions": actions,
        "review_href": reverse("batch-review", args=[session.pk])
        if own and session.is_running
        else "",
        "facts": [
            {"name": "For", "text": session.get_goal_display()},
            {"name": "Under the name", "text": names_text(judges, most=5)},
            {"name": "When", "text": window_text(session, now=now)},
            {
                "name": "How",
                "text": f"{overlap} per item, {session.get_visibility_display().lower()}",
            },
            {
                "name": "Shared by all",
                "text": str(shared),
                "href": items_href(session.pk, shared="yes")
                if status != SessionStatus.DRAFT and shared
                else "",
            },
        ],
    }


def _link(text: str, url_name: str, session: FeedbackSession) -> dict[str, str]:
    return {"text": text, "href": reverse(url_name, args=[session.pk])}


def _action(href: str, value: str, text: str, *, look: str = "") -> dict[str, str]:
    return {"href": href, "value": value, "text": text, "look": look}


def _board(request: AuthedRequest, session: FeedbackSession, *, now: Any) -> dict[str, Any]:
    board = board_of(session, now=now, hidden=hidden_from(request.user))
    view = board_view(board, session_agreement(board), now=now)
    return {
        "board": view,
        "count_names": [name for name, _ in view.people[0].counts] if view.people else [],
        "items_href": items_href(session.pk),
        "ticked_reviewers": _pks(request, "reviewer"),
        "ticked_places": _pks(request, "place"),
        "settle_links": [
            {
                "text": f"Settle under {judge.name}" if len(board.judges) > 1 else "Settle",
                "href": f"{reverse('judge-disagreements', args=[judge.pk])}?session={session.pk}",
            }
            for judge in board.judges
            if session.status in _SEEN
        ],
    }


def _handout(session: FeedbackSession) -> dict[str, Any]:
    """Who gets which items: as it would be for a draft, as it is for a session that is scheduled."""
    reviewers = list(
        session.reviewers.filter(removed_at=None).select_related("user").order_by("pk")
    )
    items = {
        item.pk: item
        for item in session.items.select_related("trace").defer(
            "trace__inputs", "trace__outputs", "trace__metadata", "trace__search_text"
        )
    }
    missing = 0
    if session.status == SessionStatus.DRAFT:
        plan = state_service.preview(session)
        batches, missing = dict(plan.batches), plan.missing
        shared = set(state_service.shared_slice(session, list(items.values())))
    else:
        found: dict[int, list[int]] = defaultdict(list)
        for reviewer, item in (
            Assignment.objects.filter(item__session=session)
            .order_by("position", "pk")
            .values_list("reviewer_id", "item_id")
        ):
            found[reviewer].append(item)
        batches = {pk: tuple(batch) for pk, batch in found.items()}
        shared = {pk for pk, item in items.items() if item.is_shared}
    carried = loads([reviewer.user for reviewer in reviewers], but=session)
    rows: list[dict[str, Any]] = [
        {
            "reviewer": reviewer,
            "total": len(batches.get(reviewer.pk, ())),
            "shared": sum(pk in shared for pk in batches.get(reviewer.pk, ())),
            "warm_up": sum(items[pk].is_warm_up for pk in batches.get(reviewer.pk, ())),
            "carried": carried.get(reviewer.user_id, 0),
            "items": [
                {"words": _words(items[pk]), "is_shared": pk in shared}
                for pk in batches.get(reviewer.pk, ())
            ],
        }
        for reviewer in reviewers
    ]
    regular = sum(not item.is_warm_up for item in items.values())
    return {
        "handout": rows,
        "handout_answers": sum(row["total"] - row["warm_up"] for row in rows),
        "handout_items": regular,
        "handout_shared": len(shared),
        "missing": missing,
        "missing_text": f"{count(missing, 'answer')} {'has' if missing == 1 else 'have'} nobody, because nobody has room.",
        "invitation": _invitation(session, rows),
        "unreachable": unreachable_text(reviewers),
        "reached": sum(bool(reviewer.user.email) for reviewer in reviewers),
    }


def _words(item: Item) -> str:
    return item.trace.request_preview or item.trace.trace_id


def _invitation(session: FeedbackSession, rows: list[dict[str, Any]]) -> Message | None:
    """What the first reviewer is written, before it is sent."""
    if not rows or session.closes_at is None:
        return None
    first = rows[0]
    is_later = session.opens_at is not None and session.opens_at > timezone.now()
    write = invitation if is_later else opening
    return write(session, first["reviewer"].user, items=first["total"])


def _pks(request: AuthedRequest, name: str) -> set[int]:
    return {
        int(pk)
        for pk in request.GET.getlist(name)
        if pk.isascii() and pk.isdecimal() and len(pk) < 18
    }
