"""Labels: kept in step with people's answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from alignment.labels import LabelRule, Reason, ReasonCode, Settled, Unsettled, Vote, settle
from annotator import tasks
from annotator.models import Assessment, Judge, Label, Trace
from annotator.services.queueing import send_on_commit
from judges.values import InvalidValueError, Value, ValueType, value_key

CHUNK = 500

_VOTE_FIELDS = ("trace_id", "source_id", "value", "rationale", "created_at")

Settler = Callable[[list[Vote]], Settled | Unsettled]


def votes_by_trace(judge: Judge, *, traces: Iterable[int] | None = None) -> dict[int, list[Vote]]:
    """Everybody's valid answers under the judge's name on whole traces, by trace, oldest first.

    An answer without a value ("cannot judge") is a vote with None: it counts as an answer, never as a value.
    """
    answers = Assessment.objects.human().for_judge(judge).filter(span_id="")
    if traces is not None:
        answers = answers.filter(trace__in=traces)
    votes: dict[int, list[Vote]] = defaultdict(list)
    for trace, source, value, rationale, created_at in answers.order_by(
        "created_at", "pk"
    ).values_list(*_VOTE_FIELDS):
        votes[trace].append(
            Vote(source_id=source, value=value, rationale=rationale, created_at=created_at)
        )
    return votes


def lock_judge(judge: Judge) -> None:
    """Read the judge anew and let nobody else change it, its versions or its labels until the transaction ends.

    What two people do to one judge at the same moment is done one after the other, each on what the other left. Rows
    that only refer to the judge may still be written.
    """
    # Two queries: PostgreSQL reads the locked row as it is after the wait, but rows joined to it as they were before.
    Judge.objects.select_for_update(no_key=True).values_list("pk").get(pk=judge.pk)
    judge.refresh_from_db(
        from_queryset=Judge.objects.select_related(
            "current_version", "previous_version", "guideline", "experiment__team"
        )
    )


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
        settled = settle_votes(judge, votes_by_trace(judge, traces=[trace.pk]).get(trace.pk, []))
        if isinstance(settled, Unsettled):
            Label.objects.filter(trace=trace, judge=judge).delete()
            return None
        label, _ = Label.objects.update_or_create(
            trace=trace, judge=judge, defaults=_columns(settled)
        )
    return label


def refresh_labels(*, judge: Judge) -> int:
    """Make all labels of the judge anew, as after an import or a change of its rule or its values.

    Returns:
        How many labels were made, changed or removed.
    """
    with transaction.atomic():
        lock_judge(judge)
        wanted = _settled_by_trace(judge, settler(judge))
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


def preview_rule(*, judge: Judge, rule: LabelRule, adjudicator: str = "") -> dict[str, int]:
    """What another rule would do to the labels, before it is applied.

    Returns:
        `{"before": labels now, "after": labels then, "changed": labels of another value, "gained": …, "lost": …}`
    """
    now = {label.trace_id: label.value_key for label in Label.objects.filter(judge=judge)}
    settled_then = _settled_by_trace(judge, settler(judge, rule=rule, adjudicator=adjudicator))
    then = {trace: value_key(settled.value) for trace, settled in settled_then.items()}
    return {
        "before": len(now),
        "after": len(then),
        "changed": sum(1 for trace in now.keys() & then.keys() if now[trace] != then[trace]),
        "gained": len(then.keys() - now.keys()),
        "lost": len(now.keys() - then.keys()),
    }


def look_at_readiness(judge: Judge) -> None:
    """Have a worker see, once this transaction stands, whether the judge can now be aligned."""
    automatic = Judge.objects.filter(pk=judge.pk, alignment_policy=Judge.AlignmentPolicy.AUTOMATIC)
    if automatic.update(readiness_due_at=timezone.now()):
        send_on_commit(tasks.start_run_if_due, [judge.pk])


def _settled_by_trace(judge: Judge, settle_all: Settler) -> dict[int, Settled]:
    return {
        trace: settled
        for trace, votes in votes_by_trace(judge).items()
        if isinstance(settled := settle_all(votes), Settled)
    }


def _columns(settled: Settled) -> dict[str, Any]:
    return {
        "value": settled.value,
        "value_key": value_key(settled.value)[:250],
        "rule": settled.rule.value,
        "votes": settled.votes,
        "settled_by": ", ".join(settled.by)[:500],
        "settled_at": timezone.now(),
    }
