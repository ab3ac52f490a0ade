"""A person's place on an item: locked while it changes, filled by an answer, counted or extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from annotator.models import (
    WAITING,
    Assessment,
    Assignment,
    AssignmentState,
    Item,
    Judge,
    SessionJudge,
)
from annotator.services.third_opinion import ask_third

LONGEST_BEAT_SECONDS = 120


def lock_item(assignment: Assignment) -> None:
    """Read anew what others may have changed; until the transaction ends nobody takes, gives back or fills a place of the item.

    Only those columns are read: the trace may be big, and each answer comes through here.
    """
    item, session, reviewer = assignment.item, assignment.item.session, assignment.reviewer
    locked = Item.objects.select_for_update(no_key=True).values("wanted", "has_third_opinion")
    columns = {
        **{("item", name): value for name, value in locked.get(pk=item.pk).items()},
        **_read_anew(assignment),
    }
    owners = {"item": item, "session": session, "reviewer": reviewer, "": assignment}
    for (owner, name), value in columns.items():
        setattr(owners[owner], name, value)


def _read_anew(assignment: Assignment) -> dict[tuple[str, str], Any]:
    own = (
        "state", "lease_until", "given_back_at", "drafts", "drafted_at", "submitted_at", "edited_at", "active_seconds",
        "reason", "reason_text", "is_extra",
    )  # fmt: skip
    row = Assignment.objects.values(
        *own,
        "item__session__status",
        "item__session__visibility",
        "item__session__closes_at",
        "item__session__grace_minutes",
        "reviewer__removed_at",
        "reviewer__closes_at",
    ).get(pk=assignment.pk)
    return {
        ("session", "status"): row["item__session__status"],
        ("session", "visibility"): row["item__session__visibility"],
        ("session", "closes_at"): row["item__session__closes_at"],
        ("session", "grace_minutes"): row["item__session__grace_minutes"],
        ("reviewer", "removed_at"): row["reviewer__removed_at"],
        ("reviewer", "closes_at"): row["reviewer__closes_at"],
        **{("", name): row[name] for name in own},
    }


def has_free_place(assignment: Assignment) -> bool:
    """Whether its item wants one more answer than others give."""
    item = assignment.item
    if item.is_shared or item.is_warm_up:
        return True
    others = Assignment.objects.taking_a_place().filter(item=item).exclude(pk=assignment.pk)
    return others.count() < item.wanted


def note(assignment: Assignment, judge: Judge, *, span_id: str) -> None:
    """An answer under the judge's name has come: its draft is done with, unless it was about one step alone."""
    if not span_id:
        assignment.drafts = {
            key: text for key, text in assignment.drafts.items() if key != str(judge.pk)
        }
    if assignment.state == AssignmentState.TODO:
        assignment.state = AssignmentState.DRAFT


def waiting_state(assignment: Assignment, drafts: Mapping[str, object]) -> AssignmentState:
    """Where a place that waits stands with these drafts: to do only while nothing was answered on it, by judge or by step."""
    answers = Assessment.objects.human().filter(assignment=assignment)
    is_begun = bool(drafts) or answers.exists()
    return AssignmentState.DRAFT if is_begun else AssignmentState.TODO


def store(assignment: Assignment, seconds: int) -> None:
    """Write what `note` and `finish` have set, and add the time spent."""
    written = (
        *("drafts", "state", "submitted_at", "edited_at", "lease_until", "given_back_at"),
        *("reason", "reason_text", "is_extra"),
    )
    Assignment.objects.filter(pk=assignment.pk).update(
        **{name: getattr(assignment, name) for name in written},
        active_seconds=F("active_seconds") + max(0, min(seconds, LONGEST_BEAT_SECONDS)),
    )


def is_complete(assignment: Assignment, session_judges: Sequence[SessionJudge]) -> bool:
    """Whether the person has answered under each judge's name, now that one more answer was stored."""
    if len(session_judges) == 1:
        return True
    answered = set(
        Assessment.objects.human()
        .filter(assignment=assignment, span_id="")
        .values_list("name", flat=True)
    )
    return all(each.judge.name in answered for each in session_judges)


def finish(assignment: Assignment, now: datetime) -> int | None:
    """The item is answered. Its place counts unless others have filled all places, or nobody counts any more.

    Returns:
        How many others have answered it; None when this person had before.
    """
    if assignment.state == AssignmentState.DONE:
        assignment.edited_at = now
        return None
    done = Assignment.objects.filter(
        item=assignment.item_id, state=AssignmentState.DONE, is_extra=False
    )
    others = done.exclude(pk=assignment.pk).count()
    reviewer, session = assignment.reviewer, assignment.item.session
    is_over = reviewer.removed_at is not None or not session.is_running_for(reviewer.closes_at, now)
    assignment.is_extra = is_over or others >= assignment.item.wanted
    assignment.state, assignment.submitted_at = AssignmentState.DONE, now
    assignment.lease_until, assignment.given_back_at = None, None
    assignment.reason, assignment.reason_text = "", ""
    return others


def look_at_item(item: Item, others: int, now: datetime, *, has_lost_place: bool) -> None:
    """What follows when an item has all the answers it wants."""
    if others + 1 < item.wanted:
        return
    if has_lost_place:
        # Somebody else had taken the place: who has not begun need not.
        Assignment.objects.filter(
            item=item, state__in=WAITING, lease_until=None, given_back_at=None
        ).update(given_back_at=now)
    if item.session.third_opinion and not item.has_third_opinion:
        ask_third(item, item.session, now)
