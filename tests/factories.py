"""Rows for tests. Every function takes keyword arguments and fills in what a test does not care about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from annotator.models import (
    Assessment,
    Assignment,
    Experiment,
    FeedbackSession,
    Judge,
    Membership,
    Role,
    Team,
    Trace,
    User,
)
from annotator.services import feedback, judges, session_states, sessions, tokens, verdicts
from annotator.services.submissions import Submitted, submit
from judges.entities import AssessmentSource, Feedback, SourceType
from judges.values import Value, ValueKind, ValueType

QUALITY = ValueType(
    kind=ValueKind.CATEGORY, categories=("excellent", "good", "fair", "poor"), ordered=True
)

_number = count(1)


def create_team(*, name: str | None = None) -> Team:
    """A team of the name; the same one when asked for twice."""
    return Team.objects.get_or_create(name=name or f"Team {next(_number)}")[0]


def create_user(
    *,
    username: str | None = None,
    team: Team | None = None,
    role: Role = Role.EXPERT,
    **fields: Any,
) -> User:
    """A person, member of the team if one is given."""
    user = User.objects.create_user(username=username or f"user{next(_number)}", **fields)
    if team is not None:
        Membership.objects.create(user=user, team=team, role=role)
    return user


def create_experiment(*, team: Team | None = None, name: str | None = None) -> Experiment:
    """An experiment."""
    return Experiment.objects.create(
        team=team or create_team(), name=name or f"Experiment {next(_number)}"
    )


def create_trace(
    *,
    experiment: Experiment | None = None,
    question: str = "Where is my parcel?",
    answer: str = "It arrives tomorrow.",
    **fields: Any,
) -> Trace:
    """A trace of one question and its answer."""
    return Trace.objects.create(
        **{
            "experiment": experiment or create_experiment(),
            "trace_id": f"tr-{next(_number):04}",
            "inputs": {"question": question},
            "outputs": {"answer": answer},
            "request_preview": question,
            "response_preview": answer,
            "search_text": f"{question}\n{answer}",
            **fields,
        }
    )


def create_judge(
    *,
    experiment: Experiment | None = None,
    name: str = "quality",
    actor: User | None = None,
    **fields: Any,
) -> Judge:
    """A judge of four ordered categories that asks the demo model."""
    return judges.create_judge(
        **{
            "actor": actor,
            "experiment": experiment or create_experiment(),
            "name": name,
            "instructions": "Grade the answer. Question: {{ inputs }} Answer: {{ outputs }}",
            "value_type": QUALITY,
            "model": "demo:/judge",
            **fields,
        }
    )


def create_verdict(
    *, judge: Judge, trace: Trace, value: Value = "good", rationale: str = "It answers."
) -> Assessment:
    """A verdict of the judge's current version."""
    assert judge.current_version is not None
    source = AssessmentSource(
        source_type=SourceType.LLM_JUDGE, source_id=judge.current_version.model
    )
    verdict = Feedback(name=judge.name, value=value, rationale=rationale, source=source)
    return verdicts.log_verdicts(version=judge.current_version, verdicts=[(trace.pk, verdict)])[0]


def create_feedback(
    *, judge: Judge, trace: Trace, author: User, value: Value | None = "good", **fields: Any
) -> Assessment:
    """A person's feedback under the judge's name."""
    return feedback.add_feedback(author=author, trace=trace, judge=judge, value=value, **fields)


def create_token(
    *,
    user: User,
    team: Team | None = None,
    scopes: Collection[str] | None = None,
    days: int | None = None,
) -> str:
    """The text of a token for the user's only team, or for the one given; it may all that the user's role allows."""
    team = team or Team.objects.get(memberships__user=user)
    allowed = tokens.scopes_allowed(user, team.pk)
    return tokens.create_token(user=user, team=team, scopes=scopes or allowed, days=days)[1]


def create_session(
    *,
    judge: Judge,
    reviewers: Sequence[User] = (),
    traces: Sequence[Trace] = (),
    actor: User | None = None,
    others: Sequence[Judge] = (),
    now: datetime | None = None,
    is_open: bool = True,
    **settings: Any,
) -> FeedbackSession:
    """A session with these people and traces; it is open since a minute and for two days, or a draft."""
    now = now or timezone.now()
    session = sessions.create_session(
        actor=actor,
        experiment=judge.experiment,
        judges=[judge, *others],
        **{
            "name": f"Session {next(_number)}",
            "per_reviewer": max(1, len(traces)),
            "shared_items": 0,
            "opens_at": now - timedelta(minutes=1),
            "closes_at": now + timedelta(days=2),
            "item_order": "OLDEST",
            "seed": 1,
            **settings,
        },
    )
    sessions.set_reviewers(actor=actor, session=session, rooms=dict.fromkeys(reviewers))
    sessions.set_items(
        actor=actor,
        session=session,
        picks=[sessions.Pick(trace=trace.pk, stratum="any") for trace in traces],
    )
    if is_open:
        session_states.schedule_session(actor=actor, session=session, now=now, allow_short=True)
    return session


def assignment_of(*, user: User, session: FeedbackSession, trace: Trace) -> Assignment:
    """The user's place on the trace in the session."""
    return Assignment.objects.select_related(
        "item__session__experiment__team", "item__trace", "reviewer__user"
    ).get(item__session=session, item__trace=trace, reviewer__user=user)


def answer(
    *,
    user: User,
    assignment: Assignment,
    judge: Judge,
    value: Value | None = "good",
    submission_id: str = "",
    **fields: Any,
) -> Submitted:
    """An answer submitted in a session."""
    return submit(
        user=user,
        assignment=assignment,
        judge=judge,
        value=value,
        submission_id=submission_id or f"s-{next(_number)}",
        **fields,
    )
