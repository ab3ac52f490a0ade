"""The demo world as rows: people, traces with spans, a judge with its verdicts, what the experts said, and sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from alignment.labels import Side, Sides
from annotator.demo.answers import DemoTrace
from annotator.demo.sessions import seed_sessions
from annotator.demo.world import DemoWorld, demo_world, initial_verdicts
from annotator.models import (
    ActivityLog,
    Assessment,
    Experiment,
    GuidelineVersion,
    Judge,
    JudgeVersion,
    Membership,
    Role,
    Source,
    Team,
    Trace,
    User,
    Visibility,
)
from annotator.records import TraceRecord
from annotator.services.guidelines import save_guideline
from annotator.services.judges import create_judge
from annotator.services.labels import refresh_labels
from annotator.services.traces import add_traces
from judges.values import value_key

_OPENED_BEFORE = timedelta(days=15)  # the shop's oldest trace is 14 days old
_VERDICT_AFTER = timedelta(minutes=1)


@transaction.atomic
def seed_demo() -> bool:
    """Put the demo world in, unless its team is here already; whether it did.

    The judge then stands three labels short of its threshold, so that three pieces of feedback start an alignment.
    """
    world = demo_world()
    now = timezone.now()
    team, is_new = Team.objects.get_or_create(name=world.team)
    if not is_new:
        return False
    users = _people(world, team)
    experiment = Experiment.objects.create(team=team, name=world.experiment)
    traces = _traces(world, experiment, now)
    judge = _judge(world, experiment, users["admin"], now)
    _verdicts(judge, traces)
    _feedback(world, judge, users, traces, now)
    refresh_labels(judge=judge)
    seed_sessions(judge=judge, users=users, now=now)
    return True


def _people(world: DemoWorld, team: Team) -> dict[str, User]:
    """Nobody has a password: the link that `make run` prints signs in the admin, who can set the others'."""
    users: dict[str, User] = {}
    for person in world.people:
        first_name, _, last_name = person.full_name.partition(" ")
        is_admin = person.role == Role.ADMIN
        user, is_new = User.objects.get_or_create(
            username=person.username,
            defaults={
                "first_name": first_name,
                "last_name": last_name,
                "email": f"{person.username}@shop.example",
                "is_staff": is_admin,
                "is_superuser": is_admin,
            },
        )
        if is_new:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        Membership.objects.create(user=user, team=team, role=person.role)
        users[person.username] = user
    return users


def _traces(world: DemoWorld, experiment: Experiment, now: datetime) -> dict[str, Trace]:
    add_traces(experiment=experiment, traces=[_record(trace, now) for trace in world.traces])
    return {trace.trace_id: trace for trace in experiment.traces.all()}


def _record(demo: DemoTrace, now: datetime) -> TraceRecord:
    began = now - timedelta(seconds=demo.offset_s)
    began_ns = int(began.timestamp()) * 10**9
    trace = demo.trace
    spans = tuple(
        replace(
            span,
            start_ns=began_ns + span.start_ns,
            end_ns=None if span.end_ns is None else began_ns + span.end_ns,
        )
        for span in trace.spans
    )
    return TraceRecord(
        trace_id=trace.trace_id,
        inputs=trace.inputs,
        outputs=trace.outputs,
        requested_at=began,
        duration_ms=demo.duration_ms,
        tags=trace.tags,
        metadata=trace.metadata,
        conversation_id=trace.metadata.get("session"),
        spans=spans,
    )


def _judge(world: DemoWorld, experiment: Experiment, admin: User, now: datetime) -> Judge:
    demo = world.judge
    sides = dict.fromkeys(demo.positive, Side.POSITIVE) | dict.fromkeys(
        demo.negative, Side.NEGATIVE
    )
    judge = create_judge(
        actor=admin,
        experiment=experiment,
        name=demo.judge.name,
        instructions=demo.judge.instructions,
        value_type=demo.judge.value_type,
        model=demo.judge.model,
        description=demo.judge.description,
        sides=Sides(by_value=sides),
        label_rule=demo.label_rule,
        minimum_labels=demo.minimum_labels,
        recommended_labels=demo.minimum_labels,
        minimum_share=demo.min_share,
        alignment_policy=Judge.AlignmentPolicy.AUTOMATIC.value,
        promotion_policy=Judge.PromotionPolicy.AUTOMATIC.value,
    )
    save_guideline(
        actor=admin,
        judge=judge,
        text=world.guideline.text,
        choose_when=dict(world.guideline.choose_when),
    )
    opened = now - _OPENED_BEFORE
    Judge.objects.filter(pk=judge.pk).update(created_at=opened)
    JudgeVersion.objects.filter(judge=judge).update(created_at=opened)
    GuidelineVersion.objects.filter(judge=judge).update(created_at=opened)
    ActivityLog.objects.filter(target_kind="judge", target_id=str(judge.pk)).update(
        created_at=opened
    )
    return judge


def _verdicts(judge: Judge, traces: dict[str, Trace]) -> None:
    """What the demo model really says as this judge, given a minute after each trace."""
    version = judge.current_version
    assert version is not None  # noqa: S101 - create_judge has just made it
    Assessment.objects.bulk_create(
        [
            Assessment(
                trace=traces[trace_id],
                name=judge.name,
                source_type=Source.LLM_JUDGE,
                source_id=version.model,
                judge_version=version,
                value=verdict.value,
                value_key=value_key(verdict.value),
                rationale=verdict.rationale,
                cost=0.0,
                created_at=traces[trace_id].requested_at + _VERDICT_AFTER,
                updated_at=traces[trace_id].requested_at + _VERDICT_AFTER,
            )
            for trace_id, verdict in initial_verdicts().items()
        ]
    )


def _feedback(
    world: DemoWorld, judge: Judge, users: dict[str, User], traces: dict[str, Trace], now: datetime
) -> None:
    """The experts' answers, oldest first; who answered twice about one trace has corrected the first answer."""
    in_force: dict[tuple[str, str], Assessment] = {}
    rows: list[Assessment] = []
    for item in sorted(world.feedback, key=lambda feedback: -feedback.offset_s):
        given_at = now - timedelta(seconds=item.offset_s)
        earlier = in_force.get((item.trace_id, item.username))
        if earlier is not None:
            earlier.valid = False
            earlier.updated_at = given_at
        row = Assessment(
            trace=traces[item.trace_id],
            name=judge.name,
            source_type=Source.HUMAN,
            source_id=item.username,
            author=users[item.username],
            value=item.value,
            value_key="" if item.value is None else value_key(item.value),
            declined_reason=item.cannot_judge_reason,
            rationale=item.rationale,
            overrides=earlier,
            guideline=judge.guideline,
            visibility=Visibility.OPEN,
            created_at=given_at,
            updated_at=given_at,
        )
        in_force[item.trace_id, item.username] = row
        rows.append(row)
    # A correction points to the row it overrides, which must be stored first.
    Assessment.objects.bulk_create([row for row in rows if not row.valid])
    Assessment.objects.bulk_create([row for row in rows if row.valid])
    ActivityLog.objects.bulk_create(
        [
            ActivityLog(
                team=judge.experiment.team,
                actor=row.author,
                action="corrected" if row.overrides else "gave",
                target_kind="assessment",
                target_id=str(row.pk),
                target_name=f"{judge.name} on {row.trace.trace_id}",
                after={
                    "value": row.value,
                    "rationale": row.rationale,
                    "cannot_judge": row.declined_reason,
                },
                created_at=row.created_at,
            )
            for row in rows
        ]
    )
