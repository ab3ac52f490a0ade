"""Answers that running sessions still expect on traces: who has them, and what settling without them does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from annotator.models import (
    RUNNING,
    WAITING,
    Assignment,
    AssignmentState,
    Item,
    Judge,
    Settlement,
    Trace,
    User,
)

_IS_GIVEN = Q(assignments__state=AssignmentState.DONE, assignments__is_extra=False)


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """An answer that is still to come.

    Attributes:
        user: Who has it.
        since: Since when: for a third opinion since the others differed, else since the session opened.
        is_third: Whether it is the third opinion.
        is_open_now: Whether that person has the item open.
    """

    user: User
    session: str
    since: datetime | None
    is_third: bool
    is_open_now: bool


def awaited_traces(judge: Judge) -> set[int]:
    """The traces (by pk) that a running session wants more answers on than are in; in one query."""
    items = _items(judge).annotate(given=Count("assignments", filter=_IS_GIVEN))
    return set(items.filter(given__lt=F("wanted")).values_list("trace_id", flat=True))


def awaited_on(judge: Judge, trace: Trace, *, now: datetime | None = None) -> list[Awaited]:
    """The answers that people are still to give on a trace, whoever was asked first first."""
    now = now or timezone.now()
    places = list(
        Assignment.objects.taking_a_place()
        .filter(item__in=_items(judge).filter(trace=trace), state__in=WAITING)
        .select_related("reviewer__user", "item__session")
        .order_by("item__session__opened_at", "pk")
    )
    since = _differ_since(judge, trace) if any(each.is_third_opinion for each in places) else None
    return [
        Awaited(
            user=each.reviewer.user,
            session=each.item.session.name,
            since=since if each.is_third_opinion else each.item.session.opened_at,
            is_third=each.is_third_opinion,
            is_open_now=each.lease_until is not None and each.lease_until >= now,
        )
        for each in places
    ]


def lock_items(judge: Judge, trace: Trace) -> None:
    """Let nobody answer the trace's items meanwhile; before the judge is locked, as whoever submits an answer does."""
    items = _items(judge).filter(trace=trace).order_by("pk")
    list(items.select_for_update(no_key=True, of=("self",)).values_list("pk"))


def release_third_opinions(judge: Judge, trace: Trace, *, now: datetime) -> int:
    """The label is settled: nobody needs to answer as the third any more; how many places are released. Lock the items first.

    Whoever answers all the same is kept as extra. Where a session asks under other judges' names too, and the label under
    one of them is not settled, the place stays for its sake.
    """
    others = Settlement.objects.in_force().filter(trace=trace)
    settled = set(others.values_list("judge_id", flat=True)) | {judge.pk}
    items = _items(judge).filter(trace=trace, has_third_opinion=True)
    released = 0
    for item in items.select_related("session"):
        asked = set(item.session.session_judges.values_list("judge_id", flat=True))
        outstanding = item.assignments.filter(is_third_opinion=True, state__in=WAITING)
        if not asked <= settled or not outstanding.exists():
            continue
        Item.objects.filter(pk=item.pk).update(wanted=F("wanted") - 1, has_third_opinion=False)
        released += outstanding.update(lease_until=None, given_back_at=now)
    return released


def _items(judge: Judge) -> QuerySet[Item]:
    return Item.objects.filter(
        session__status__in=RUNNING, session__session_judges__judge=judge, is_warm_up=False
    )


def _differ_since(judge: Judge, trace: Trace) -> datetime | None:
    given = Assignment.objects.filter(
        item__in=_items(judge).filter(trace=trace), state=AssignmentState.DONE, is_extra=False
    )
    return given.order_by("-submitted_at").values_list("submitted_at", flat=True).first()
