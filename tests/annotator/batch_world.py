"""Running feedback sessions for tests of the review screen, made by the services that leads use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import Assignment, FeedbackSession, Judge, Trace, User
from annotator.services import submissions
from tests.factories import create_session, create_trace, create_verdict


def create_batch(
    *,
    judges: Sequence[Judge],
    reviewers: Sequence[User],
    traces: Sequence[Trace] | None = None,
    items: int = 3,
    opens_in: timedelta = timedelta(minutes=-5),
    with_verdicts: bool = True,
    **settings: Any,
) -> FeedbackSession:
    """A scheduled session, running unless it opens later, in which every reviewer answers every trace, oldest first."""
    experiment = judges[0].experiment
    if traces is None:
        traces = [
            create_trace(experiment=experiment, question=f"Question {number}")
            for number in range(1, items + 1)
        ]
    if with_verdicts:
        for trace in traces:
            for judge in judges:
                create_verdict(judge=judge, trace=trace, value="good", rationale="It names a day.")
    now = timezone.now()
    return create_session(
        judge=judges[0],
        others=judges[1:],
        reviewers=reviewers,
        traces=traces,
        **{
            "name": "Parcels",
            "shared_items": len(traces),
            "overlap": len(reviewers),
            "opens_at": now + opens_in,
            "closes_at": now + opens_in + timedelta(hours=4),
            **settings,
        },
    )


def batch(session: FeedbackSession, user: User) -> list[Assignment]:
    """The user's places in the session, in their order."""
    return list(
        Assignment.objects.filter(item__session=session, reviewer__user=user)
        .select_related("item__trace", "item__session__experiment__team", "reviewer__user")
        .order_by("position", "pk")
    )


def answer_all(session: FeedbackSession, user: User, value: str) -> None:
    """The user answers everything in the batch alike."""
    judges = [each.judge for each in session.session_judges.select_related("judge")]
    for place in batch(session, user):
        for judge in judges:
            submissions.submit(
                user=user,
                assignment=place,
                judge=judge,
                submission_id=f"{place.pk}-{judge.pk}",
                value=value,
                seconds=30,
            )


def item_address(place: Assignment, judge: Judge | None = None) -> str:
    """The page of one place in a batch, with the tab of one judge open."""
    address = reverse("batch-item", args=[place.item.session_id, place.pk])
    return f"{address}?judge={judge.pk}" if judge else address


def page_text(client: Client, address: str, **headers: str) -> str:
    """A page that opens, every run of white space made one space."""
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def state_of(place: Assignment) -> str:
    """The place's state as it is stored now."""
    return Assignment.objects.get(pk=place.pk).state
