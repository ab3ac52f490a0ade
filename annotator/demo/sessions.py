"""The demo's feedback sessions: one that runs, with progress, and one that is planned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F

from alignment.sampling import Candidate
from annotator.handout import items_that_fit
from annotator.models import (
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Goal,
    Item,
    Judge,
    Reviewer,
    SkipReason,
    User,
    Visibility,
)
from annotator.services import assignments
from annotator.services.candidate_facts import facts
from annotator.services.candidates import drawn, stratum_of
from annotator.services.session_states import schedule_session
from annotator.services.sessions import Pick, create_session, set_items, set_reviewers

_SEED = 10
_DONE_EACH = 4
_SECONDS_EACH = 47
_NAMES = ("Support answers, this week", "Calibration on promised dates")


def seed_sessions(*, judge: Judge, users: dict[str, User], now: datetime) -> None:
    """Make both; what the experts answered last counts as done in the one that runs.

    Nobody's answer is added, so that the judge stays as far from its threshold as the demo wants it.
    """
    experts = [users[name] for name in ("expert1", "expert2", "expert3")]
    running = _planned(
        judge,
        [*experts, users["admin"]],
        lead=users["lead"],
        name=_NAMES[0],
        goal=Goal.BALANCE,
        per_reviewer=6,
        shared_items=3,
        visibility=Visibility.REVEALED,
        third_opinion=True,
        take_more=True,
        opens_at=now - timedelta(hours=40),
        closes_at=now + timedelta(days=2),
        grace_minutes=120,
    )
    schedule_session(actor=users["lead"], session=running, now=now)
    _count_as_done(running, judge, experts)
    _set_one_aside(users["expert2"], running)
    planned = _planned(
        judge,
        [*experts, users["lead"]],
        lead=users["lead"],
        name=_NAMES[1],
        goal=Goal.CALIBRATE,
        per_reviewer=5,
        shared_items=5,
        visibility=Visibility.BLIND,
        opens_at=(now + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0),
        closes_at=(now + timedelta(days=3)).replace(hour=16, minute=0, second=0, microsecond=0),
    )
    schedule_session(actor=users["lead"], session=planned, now=now)


def _planned(
    judge: Judge, reviewers: Sequence[User], *, lead: User, name: str, goal: str, **settings: object
) -> FeedbackSession:
    session = create_session(
        actor=lead,
        experiment=judge.experiment,
        name=name,
        goal=goal,
        judges=[judge],
        seed=_SEED,
        **settings,
    )
    set_reviewers(actor=lead, session=session, rooms=dict.fromkeys(reviewers))
    frame = [
        Candidate(item=fact.trace, stratum=stratum_of(fact))
        for fact in facts(judge, but=session)
        if not fact.reviewed and not fact.is_taken
    ]
    size = items_that_fit(
        rooms=[session.per_reviewer] * len(reviewers),
        overlap=session.overlap,
        shared=session.shared_items,
    )
    sample = drawn(frame, size=size, random_share=0.2, seed=_SEED)
    set_items(
        actor=lead,
        session=session,
        picks=[
            Pick(trace=pick.item, stratum=pick.stratum, probability=pick.probability)
            for pick in sample.picks
        ],
        selection=sample.to_dict(),
    )
    return session


def _count_as_done(session: FeedbackSession, judge: Judge, experts: Sequence[User]) -> None:
    """Put each expert's last answers into the session, as if they had been given in it."""
    Assignment.objects.filter(item__session=session).update(position=F("position") + _DONE_EACH)
    for expert in experts:
        reviewer = Reviewer.objects.get(session=session, user=expert)
        answers = Assessment.objects.human().for_judge(judge).filter(author=expert, span_id="")
        for position, given in enumerate(answers.order_by("-created_at")[:_DONE_EACH]):
            item, is_new = Item.objects.get_or_create(
                session=session, trace_id=given.trace_id, defaults={"stratum": "by hand"}
            )
            if not is_new:
                Item.objects.filter(pk=item.pk).update(wanted=F("wanted") + 1)
            place = Assignment.objects.create(
                item=item,
                reviewer=reviewer,
                position=position,
                state=AssignmentState.DONE,
                opened_at=given.created_at - timedelta(seconds=_SECONDS_EACH),
                heartbeat_at=given.created_at,
                submitted_at=given.created_at,
                active_seconds=_SECONDS_EACH - 9 * position,
            )
            Assessment.objects.filter(pk=given.pk).update(
                assignment=place, visibility=session.visibility
            )


def _set_one_aside(user: User, session: FeedbackSession) -> None:
    last = (
        Assignment.objects.of(user)
        .filter(item__session=session, item__is_shared=False, state=AssignmentState.TODO)
        .select_related("item__session", "reviewer")
        .last()
    )
    if last is not None:
        assignments.skip(user=user, assignment=last, reason=SkipReason.NOT_ENOUGH)
