"""Labels: kept in step with people's answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from alignment.labels import LabelRule, Reason, ReasonCode, Settled, Unsettled, Vote, settle
from alignment.wording import Touched, touched_since
from annotator import tasks
from annotator.models import Assessment, Judge, Label, Settlement, Trace
from annotator.services.queueing import send_on_commit
from judges.values import InvalidValueError, Value, ValueType, value_key

CHUNK = 500

_VOTE_FIELDS = ("trace_id", "source_id", "value", "value_key", "rationale", "guideline__number")

Settler = Callable[[list[Vote]], Settled | Unsettled]


def votes_by_trace(
    judge: Judge,
    *,
    traces: Iterable[int] | None = None,
    only_current_guideline: bool | None = None,
) -> dict[int, list[Vote]]:
    """Everybody's valid answers under the judge's name on whole traces, by trace, oldest first, and the settlement.

    An answer without a value ("cannot judge") is a vote with None: it counts as an answer, never as a value.

    Args:
        traces: Only these; None for all.
        only_current_guideline: Whether answers by a superseded wording are marked as such; None as the judge is set.
    """
    answers = Assessment.objects.human().for_judge(judge).filter(span_id="")
    settlements = Settlement.objects.in_force().filter(judge=judge)
    if traces is not None:
        answers, settlements = (
            answers.filter(trace__in=traces),
            settlements.filter(trace__in=traces),
        )
    if only_current_guideline is None:
        only_current_guideline = judge.only_current_guideline
    touched = touched_by_number(judge) if only_current_guideline else {}
    votes: dict[int, list[Vote]] = defaultdict(list)
    for is_settlement, rows in (
        (False, answers.order_by("created_at", "pk").values_list(*_VOTE_FIELDS, "created_at")),
        (True, settlements.order_by("pk").values_list(*_VOTE_FIELDS, "settled_at")),
    ):
        for trace, source, value, key, rationale, number, at in rows:
            wording = touched.get(number or 0)
            votes[trace].append(
                Vote(
                    source_id=source,
                    value=value,
                    rationale=rationale,
                    created_at=at,
                    is_settlement=is_settlement,
                    is_superseded=wording is not None and wording.touches(key),
                )
            )
    return votes


def touched_by_number(judge: Judge) -> dict[int, Touched]:
    """What the guideline in force has changed since each of its versions; number 0 is before the first."""
    return touched_since(guideline.wording for guideline in judge.guidelines.all())


def lock_judge(judge: Judge) -> None:
    """Read the judge anew and let nobody else change it, its versions or its labels until the transaction ends.

    What two people do to one judge at the same moment is done one after the other, each on what the other left. Rows
    that only refer to the judge may still be written.
    """
    # Without joins: PostgreSQL reads the locked row as it is after the wait, but rows joined to it as they were before.
    # Versions and guidelines never change: one that is known stays known as long as the judge refers to it.
    for name, value in (
        Judge.objects.select_for_update(no_key=True).values().get(pk=judge.pk).items()
    ):
        setattr(judge, name, value)


def settler(
    judge: Judge, *, rule: LabelRule | None = None, adjudicator: str | None = None
) -> Settler:
    """What makes a label of votes under the judge's rule, or another one, and of the values that the judge has now.

    A label that is none of them, as after a category was renamed, is no label; its votes are kept.
    """
    rule = rule or LabelRule(judge.label_rule)
    who = (judge.adjudicator if adjudicator is None else adjudicator) or None
    parse = parser(judge.value_type) if judge.current_version else None

    def settle_all(votes: list[Vote]) -> Settled | Unsettled:
        settled = settle(votes, rule, who)
        if isinstance(settled, Unsettled) or parse is None:
            return settled
        try:
            value = parse(settled.value)
        except InvalidValueError as error:
            text = f"Its label does not fit the judge any more: {error}."
            return Unsettled(reason=Reason(code=ReasonCode.INVALID_VALUE, text=text))
        is_same = value == settled.value and type(value) is type(settled.value)
        return settled if is_same else replace(settled, value=value)

    return settle_all


def parser(value_type: ValueType) -> Callable[[Value], Value]:
    """`value_type.parse` for thousands of values of which few are different; it looks at each of those once."""
    known: dict[tuple[type, str], Value] = {}

    def parse(value: Value) -> Value:
        key = (type(value), value_key(value))
        if key not in known:
            known[key] = value_type.parse(value)
        return known[key]

    return parse


def settle_votes(judge: Judge, votes: list[Vote]) -> Settled | Unsettled:
    """The label that the votes make under the judge's rule, or why they make none."""
    return settler(judge)(votes)


def refresh_label(*, trace: Trace, judge: Judge) -> Label | None:
    """Make, change or remove the label of one trace, after an answer on it changed."""
    with transaction.atomic():
        lock_judge(judge)
        return refresh_label_under_lock(trace=trace, judge=judge)


def refresh_label_under_lock(*, trace: Trace, judge: Judge) -> Label | None:
    """The same for who has locked the judge already, as each answer does: it is the busiest write there is."""
    settled = settle_votes(judge, votes_by_trace(judge, traces=[trace.pk]).get(trace.pk, []))
    labels = Label.objects.filter(trace=trace, judge=judge)
    if isinstance(settled, Unsettled):
        labels.delete()
        return None
    columns = _columns(settled)
    (label,) = Label.objects.bulk_create(
        [Label(trace=trace, judge=judge, **columns)],
        update_conflicts=True,
        unique_fields=["trace", "judge"],
        update_fields=list(columns),
    )
    return label


def refresh_labels(*, judge: Judge) -> int:
    """Make all labels of the judge anew, as after an import or a change of its rule or its values.

    Returns:
        How many labels were made, changed or removed.
    """
    with transaction.atomic():
        lock_judge(judge)
        wanted = settled_by_trace(settler(judge), votes_by_trace(judge))
        current = {label.trace_id: label for label in Label.objects.filter(judge=judge)}
        gone = [label.pk for trace, label in current.items() if trace not in wanted]
        new = [
            Label(trace_id=trace, judge=judge, **_columns(settled))
            for trace, settled in wanted.items()
            if trace not in current
        ]
        changed = []
        for trace, settled in wanted.items():
            label = current.get(trace)
            columns = _columns(settled)
            if label and any(
                getattr(label, name) != columns[name] for name in columns if name != "settled_at"
            ):
                for name, value in columns.items():
                    setattr(label, name, value)
                changed.append(label)
        for start in range(0, len(gone), CHUNK):
            Label.objects.filter(pk__in=gone[start : start + CHUNK]).delete()
        Label.objects.bulk_create(new, batch_size=CHUNK)
        Label.objects.bulk_update(
            changed,
            ["value", "value_key", "rule", "votes", "settled_by", "settled_at"],
            batch_size=CHUNK,
        )
        look_at_readiness(judge)
    return len(gone) + len(new) + len(changed)


def look_at_readiness(judge: Judge) -> None:
    """Have a worker see, once this transaction stands, whether the judge can now be aligned."""
    automatic = Judge.objects.filter(pk=judge.pk, alignment_policy=Judge.AlignmentPolicy.AUTOMATIC)
    now = timezone.now()
    if automatic.filter(readiness_due_at=None).update(readiness_due_at=now):
        send_on_commit(tasks.start_run_if_due, [judge.pk])
    else:  # a message is on its way; whoever gets it looks again when this changed while they looked
        automatic.update(readiness_due_at=now)


def look_at_readiness_under_lock(judge: Judge) -> None:
    """The same for who has locked the judge, and thus knows what it stands at."""
    if judge.alignment_policy != Judge.AlignmentPolicy.AUTOMATIC:
        return
    if judge.readiness_due_at is None:
        send_on_commit(tasks.start_run_if_due, [judge.pk])
    judge.readiness_due_at = timezone.now()
    judge.save(update_fields=["readiness_due_at"])


def settled_by_trace(settle_all: Settler, votes: Mapping[int, list[Vote]]) -> dict[int, Settled]:
    """The labels that the votes make, by trace; traces without one are left out."""
    return {
        trace: settled
        for trace, answers in votes.items()
        if isinstance(settled := settle_all(answers), Settled)
    }


def _columns(settled: Settled) -> dict[str, Any]:
    return {
        "value": settled.value,
        "value_key": value_key(settled.value)[:250],
        "rule": settled.rule.value,
        "votes": settled.votes,
        "settled_by": ", ".join(settled.by)[:500],
        "settled_at": settled.settled_at or timezone.now(),
    }
