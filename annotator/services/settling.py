"""Labels settled by hand, reopened, and pinned as examples. People's answers stay as they are."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from annotator.models import Assessment, Judge, Label, NotificationKind, Settlement, Trace, User
from annotator.models.feedback import AssessmentQuerySet
from annotator.services import log, notifications
from annotator.services.awaited import awaited_on, lock_items, release_third_opinions
from annotator.services.causes import CauseError, record_cause
from annotator.services.labels import lock_judge, look_at_readiness, refresh_label
from judges.answers import clean_text
from judges.values import InvalidValueError, value_key

RATIONALE_LENGTH = 20_000


class SettlingError(ValueError):
    """The label cannot be settled so; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str = "value") -> None:
        super().__init__(message)
        self.field = field


def settle_label(
    *,
    actor: User,
    judge: Judge,
    trace: Trace,
    value: object,
    rationale: str = "",
    cause: str = "",
    note: str = "",
    adopted_from: Assessment | None = None,
    without_waiting: bool = False,
) -> Settlement:
    """Decide what a trace counts as for the judge. An earlier decision is kept as reopened.

    A third opinion that is still to come is not needed any more: its place is released.

    Args:
        value: What the judge's value type allows.
        rationale: Why, for the judge to learn from; empty takes the reasons of those who answered the same.
        cause: A `Cause`, where the answers differ; empty for none.
        note: What the cause consists in.
        adopted_from: The answer or the verdict that the decision was copied from.
        without_waiting: Whether to settle although somebody is still to answer in a running session.

    Raises:
        SettlingError: when the actor may not settle, nobody has answered, somebody is still to answer, or the value is none
            of the judge's.
    """
    rationale, note = clean_text(rationale).strip(), clean_text(note).strip()
    if not judge.may_be_settled_by(actor):
        raise SettlingError(
            "Only team leads, admins and the person named to settle this judge's labels can do that."
        )
    if trace.experiment_id != judge.experiment_id:
        raise SettlingError(f"The judge {judge.name} does not belong to this trace's experiment.")
    if len(rationale) > RATIONALE_LENGTH:
        raise SettlingError(
            f"The reason is longer than {RATIONALE_LENGTH:,} characters; shorten it.",
            field="rationale",
        )
    with transaction.atomic():
        lock_items(judge, trace)
        lock_judge(judge)
        try:
            parsed = judge.value_type.parse(value)
        except InvalidValueError as error:
            raise SettlingError(f"Choose what it counts as: {error}.") from None
        answers = Assessment.objects.human().for_judge(judge).filter(trace=trace, span_id="")
        if not answers.exists():
            raise SettlingError("Nobody has answered yet, so there is nothing to settle.")
        awaited = awaited_on(judge, trace)
        if awaited and not without_waiting:
            who = ", ".join(sorted({str(each.user) for each in awaited}))
            raise SettlingError(
                f"{who} {'has' if len(awaited) == 1 else 'have'} yet to answer; say that it is to be settled without waiting, or go on with the next.",
                field="without_waiting",
            )
        if cause:  # before the label changes: settling a verdict's value ends its disagreement
            try:
                record_cause(actor=actor, judge=judge, trace=trace, cause=cause, note=note)
            except CauseError as error:
                raise SettlingError(str(error), field=error.field) from None
        before = Label.objects.filter(judge=judge, trace=trace).first()
        earlier = Settlement.objects.in_force().filter(judge=judge, trace=trace)
        earlier.update(
            reopened_at=timezone.now(), reopened_by=actor, pinned_at=None, pinned_by=None
        )
        settlement = Settlement.objects.create(
            judge=judge,
            trace=trace,
            value=parsed,
            value_key=value_key(parsed)[:250],
            rationale=rationale,
            adopted_from=adopted_from,
            guideline=judge.guideline,
            source_id=actor.username,
            settled_by=actor,
        )
        _after_change(
            actor=actor,
            action="settled",
            settlement=settlement,
            before=before.value if before else None,
            after={"value": parsed, "rationale": rationale},
        )
        release_third_opinions(judge, trace, now=settlement.settled_at)
        _tell(settlement, answers)
    return settlement


def reopen(*, actor: User, settlement: Settlement) -> None:
    """Take a decision back: the label is again what the judge's rule makes of the answers.

    Raises:
        SettlingError: when the actor may not settle, or it was reopened already.
    """
    if not settlement.judge.may_be_settled_by(actor):
        raise SettlingError(
            "Only team leads, admins and the person named to settle this judge's labels can do that."
        )
    with transaction.atomic():
        lock_judge(settlement.judge)
        changed = (
            Settlement.objects.in_force()
            .filter(pk=settlement.pk)
            .update(reopened_at=timezone.now(), reopened_by=actor, pinned_at=None, pinned_by=None)
        )
        if not changed:
            raise SettlingError("This was reopened already; reload the page.")
        settlement.refresh_from_db()
        _after_change(
            actor=actor, action="reopened", settlement=settlement, before=settlement.value
        )


def pin(*, actor: User, settlement: Settlement, pinned: bool) -> None:
    """Show a settled trace in the guideline as an example of its value, or take it out again.

    Raises:
        SettlingError: when the actor may not settle, or the decision was reopened meanwhile.
    """
    if not settlement.judge.may_be_settled_by(actor):
        raise SettlingError("Only team leads, admins and the person named to settle can pin.")
    with transaction.atomic():
        lock_judge(settlement.judge)
        changed = (
            Settlement.objects.in_force()
            .filter(pk=settlement.pk)
            .update(
                pinned_at=timezone.now() if pinned else None, pinned_by=actor if pinned else None
            )
        )
        if not changed:
            raise SettlingError("This was reopened meanwhile; settle it first.")
        log.record(
            actor=actor,
            action="pinned" if pinned else "unpinned",
            target=settlement,
            team=settlement.judge.experiment.team,
            name=f"{settlement.judge.name} on {settlement.trace.trace_id}",
            after=settlement.value,
        )


def _tell(settlement: Settlement, answers: AssessmentQuerySet) -> None:
    """Note it for those who answered otherwise; only who has asked for such mails gets one."""
    judge, trace = settlement.judge, settlement.trace
    address = reverse("trace-detail", args=[trace.trace_id])
    others = answers.exclude(value_key=settlement.value_key).exclude(author=None)
    notifications.tell(
        notifications.Message(
            user=answer.author,
            kind=NotificationKind.SETTLED,
            key=f"settled-{settlement.pk}-{answer.author.pk}",
            subject="Your answer was settled differently",
            sentence=f"{judge.name}: “{trace.request_preview[:120] or trace.trace_id}” counts as "
            f"{settlement.value_key[:60]}; you answered {answer.value_key[:60] or 'that it cannot be judged'}.",
            button="See the trace",
            path=f"{address}?judge={judge.pk}",
        )
        for answer in others.select_related("author")
        if answer.author is not None and answer.author != settlement.settled_by
    )


def _after_change(
    *,
    actor: User,
    action: str,
    settlement: Settlement,
    before: object = None,
    after: object = None,
) -> None:
    judge, trace = settlement.judge, settlement.trace
    refresh_label(trace=trace, judge=judge)
    log.record(
        actor=actor,
        action=action,
        target=settlement,
        team=judge.experiment.team,
        name=f"{judge.name} on {trace.trace_id}",
        before=before,
        after=after,
    )
    look_at_readiness(judge)
