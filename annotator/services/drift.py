"""Alarms about judges that may have drifted: agreement below the floor or out of control, another model, another mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from alignment.drift import ControlPoint, mix_shift
from annotator.models import (
    Assessment,
    DriftAlarm,
    Judge,
    JudgeVersion,
    Membership,
    NotificationKind,
    Role,
    User,
)
from annotator.models.feedback import AssessmentQuerySet
from annotator.services import log, notifications
from annotator.services.drift_rounds import (
    CheckedRound,
    baselines_of,
    chart_of,
    kappa_of_current,
    rounds_of,
)
from annotator.services.notifications import Message

LEAST_CHECKED = 10
MIX_RECENT = timedelta(days=7)
MIX_BEFORE = timedelta(days=90)
SERVED_RECENT = 100
Kind = DriftAlarm.Kind


class DriftError(ValueError):
    """The alarm cannot be answered so; the message says why."""


@dataclass(frozen=True, kw_only=True)
class _Finding:
    kind: str
    evidence: str
    text: str
    figures: dict[str, object]


def look(*, judge: Judge, now: datetime | None = None) -> list[DriftAlarm]:
    """Raise the alarms that are due and end those that are over; the new ones. Safe to call any number of times."""
    now = now or timezone.now()
    version = judge.current_version
    if version is None:
        return []
    rounds = rounds_of(judge)
    findings = [
        *_agreement_findings(judge, version, rounds),
        *_model_findings(judge, version, rounds),
        *_mix_findings(judge, version, now),
    ]
    with transaction.atomic():
        _end_what_is_over(judge, version, {(each.kind, each.evidence) for each in findings}, now)
        known = set(judge.drift_alarms.values_list("kind", "evidence"))
        alarms = [
            DriftAlarm(
                judge=judge,
                version=version,
                kind=each.kind,
                evidence=each.evidence,
                text=each.text,
                figures=each.figures,
                raised_at=now,
            )
            for each in findings
            if (each.kind, each.evidence) not in known
        ]
        # of two workers that look at once, the constraint lets one raise it
        DriftAlarm.objects.bulk_create(alarms, ignore_conflicts=True)
        raised = list(
            judge.drift_alarms.filter(
                raised_at=now, evidence__in=[alarm.evidence for alarm in alarms]
            )
        )
        notifications.tell(_messages(judge, raised), now=now)
        for alarm in raised:
            log.record(
                actor=None,
                action="raised an alarm about",
                target=judge,
                team=judge.experiment.team,
                name=judge.name,
                after={"alarm": alarm.kind, "text": alarm.text},
            )
    return raised


def look_at_all(*, now: datetime | None = None) -> list[DriftAlarm]:
    """Look at every judge with a version in use."""
    judges = Judge.objects.filter(current_version__isnull=False).select_related(
        "current_version", "experiment__team"
    )
    return [alarm for judge in judges.iterator() for alarm in look(judge=judge, now=now)]


def dismiss(*, actor: User, alarm: DriftAlarm, reason: str) -> DriftAlarm:
    """End an alarm with a reason; the same evidence raises none again.

    Raises:
        DriftError: when it is over already, or the reason is missing.
    """
    if not reason.strip():
        raise DriftError("Say in a sentence why nothing has to be done.")
    with transaction.atomic():
        ended = DriftAlarm.objects.ringing().filter(pk=alarm.pk)
        if not ended.update(
            ended_at=timezone.now(), ended_by=actor, end_reason=reason.strip()[:500]
        ):
            raise DriftError("This alarm is over already; reload the page.")
        alarm.refresh_from_db()
        log.record(
            actor=actor,
            action="dismissed an alarm about",
            target=alarm.judge,
            team=alarm.judge.experiment.team,
            name=alarm.judge.name,
            after={"alarm": alarm.kind, "reason": alarm.end_reason},
        )
    return alarm


def _messages(judge: Judge, alarms: Sequence[DriftAlarm]) -> list[Message]:
    leads = Membership.objects.filter(
        team=judge.experiment.team_id, role__in=(Role.LEAD, Role.ADMIN), user__is_active=True
    ).select_related("user")
    return [
        Message(
            user=member.user,
            kind=NotificationKind.DRIFT,
            key=f"drift {alarm.pk} {member.user_id}",
            subject=f"{judge.name}: {alarm.get_kind_display().lower()}",
            sentence=alarm.text,
            button="Look at the judge",
            path=f"/judges/{judge.pk}/drift/",
        )
        for alarm in alarms
        for member in leads
    ]


def _agreement_findings(
    judge: Judge, version: JudgeVersion, rounds: Sequence[CheckedRound]
) -> list[_Finding]:
    mine = [each for each in rounds if each.round.version == version.number]
    if not mine:
        return []
    last = mine[-1]
    evidence = f"session {last.session.pk}"
    findings = []
    kappa = kappa_of_current(judge, mine)
    if kappa.value is not None and kappa.n >= LEAST_CHECKED and kappa.value < judge.agreement_floor:
        findings.append(
            _Finding(
                kind=Kind.BELOW_FLOOR,
                evidence=evidence,
                text=f"In {kappa.n} blind checks version {version.number} agrees with the experts at κ {kappa.value:.2f}; the floor is {judge.agreement_floor:g}.",
                figures={"kappa": kappa.value, "n": kappa.n, "floor": judge.agreement_floor},
            )
        )
    point = next((p for p in reversed(chart_of(judge, rounds)) if p.round == last.round), None)
    if point is not None and point.broken:
        findings.append(_out_of_control(version, point, evidence))
    return findings


def _out_of_control(version: JudgeVersion, point: ControlPoint, evidence: str) -> _Finding:
    total = point.round.total
    sides = [side.lower() for side in point.broken if side is not None]
    where = f", on traces that the experts call {' or '.join(sides)}" if sides else ""
    limit = "" if point.low is None else f" (at least {point.low:.0%} was to be expected)"
    return _Finding(
        kind=Kind.OUT_OF_CONTROL,
        evidence=evidence,
        text=f"In the last round version {version.number} agreed with the experts on {total.hits} of {total.n} verdicts{limit}: less than chance explains{where}.",
        figures={"hits": total.hits, "n": total.n, "low": point.low, "sides": sides},
    )


def _model_findings(
    judge: Judge, version: JudgeVersion, rounds: Sequence[CheckedRound]
) -> list[_Finding]:
    checked = {*baselines_of(judge), *(each.round.version for each in rounds)}
    findings = []
    if checked and version.number not in checked:
        before = judge.versions.filter(number=max(checked)).first()
        if before is not None and before.model != version.model:
            findings.append(
                _Finding(
                    kind=Kind.MODEL_CHANGED,
                    evidence=f"version {version.number}",
                    text=f"Version {version.number} asks {version.model}, the version that was checked last asked {before.model}: neither a held-out test nor a round has checked the new one yet.",
                    figures={"before": before.model, "now": version.model},
                )
            )
    served = list(
        Assessment.objects.filter(judge_version=version)
        .exclude(served_by="")
        .order_by("-pk")
        .values_list("served_by", flat=True)[: 2 * SERVED_RECENT]
    )
    now = served[0] if served else ""
    before_now = next((name for name in served if name != now), "")
    if now and before_now:
        findings.append(
            _Finding(
                kind=Kind.MODEL_CHANGED,
                evidence=f"version {version.number} served by {now}"[:300],
                text=f"The provider answers for {version.model} with {now} now; before it was {before_now}."[
                    :500
                ],
                figures={"before": before_now, "now": now},
            )
        )
    return findings


def _mix_findings(judge: Judge, version: JudgeVersion, now: datetime) -> list[_Finding]:
    recent = now - MIX_RECENT
    verdicts = Assessment.objects.verdicts().filter(judge_version=version, span_id="")
    shift = mix_shift(
        _counts(verdicts, since=now - MIX_BEFORE, until=recent),
        _counts(verdicts, since=recent, until=now),
    )
    if shift is None or not shift.is_shift:
        return []
    value, was, is_now = shift.moved
    return [
        _Finding(
            kind=Kind.MIX_SHIFTED,
            evidence=f"version {version.number}, week {recent:%G-%V}",
            text=f"Of the verdicts on traces of the last {MIX_RECENT.days} days {is_now:.0%} are {value}, before it was {was:.0%} (population stability index {shift.psi:.2f}).",
            figures={"psi": shift.psi, "p": shift.p, "value": value, "before": was, "now": is_now},
        )
    ]


def _counts(verdicts: AssessmentQuerySet, *, since: datetime, until: datetime) -> Counter[str]:
    rows = verdicts.filter(trace__requested_at__gte=since, trace__requested_at__lt=until)
    return Counter(dict(rows.values_list("value_key").annotate(n=Count("pk")).order_by()))


def _end_what_is_over(
    judge: Judge, version: JudgeVersion, found: set[tuple[str, str]], now: datetime
) -> None:
    for alarm in judge.drift_alarms.filter(ended_at=None):
        if alarm.version_id != version.pk:
            reason = f"Version {version.number} is in use now."
        elif (alarm.kind, alarm.evidence) in found:
            continue
        else:
            reason = "What was seen later is as it should be."
        DriftAlarm.objects.ringing().filter(pk=alarm.pk).update(ended_at=now, end_reason=reason)
