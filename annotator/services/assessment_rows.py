"""Assessments from outside, stored so that sending them twice changes nothing and a changed one is a correction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from annotator.models import Assessment, Kind
from annotator.records import AssessmentRecord
from judges.values import value_key

CHUNK = 500

_Key = tuple[int, str, str, str, str, str]


@dataclass(kw_only=True)
class Stored:
    """What became of assessments: how many were new, corrected an earlier one of their source, or were known."""

    new: int = 0
    corrected: int = 0
    unchanged: int = 0

    def add(self, other: Stored) -> None:
        """Add the counts of another batch."""
        self.new += other.new
        self.corrected += other.corrected
        self.unchanged += other.unchanged


@dataclass(kw_only=True)
class _History:
    current: Assessment | None = None
    past: list[Assessment] = field(default_factory=list)


def store_assessments(items: Sequence[tuple[int, AssessmentRecord]]) -> Stored:
    """Store assessments on traces, each at most once per (name, source, span); call it in a transaction.

    An answer that its source has changed or withdrawn in the app since stays so when the old file comes again.

    Args:
        items: Pairs of a trace's pk and what somebody said of it; no two with the same key.
    """
    stored = Stored()
    histories = _histories({trace for trace, _ in items})
    new: list[Assessment] = []
    overridden: list[int] = []
    for trace, record in items:
        history = histories.get(_key_of(trace, record), _History())
        if _is_known(history, record):
            stored.unchanged += 1
            continue
        if history.current:
            overridden.append(history.current.pk)
            stored.corrected += 1
        else:
            stored.new += 1
        new.append(_row(trace, record, overrides=history.current))
    for start in range(0, len(overridden), CHUNK):
        Assessment.objects.filter(pk__in=overridden[start : start + CHUNK]).update(
            valid=False, updated_at=timezone.now()
        )
    Assessment.objects.bulk_create(new, batch_size=CHUNK)
    return stored


def _histories(traces: set[int]) -> dict[_Key, _History]:
    """What each source has said of these traces; verdicts of our own versions are not theirs."""
    rows = (
        Assessment.objects.filter(trace__in=traces, judge_version=None)
        .only(
            *(
                "trace_id",
                "kind",
                "name",
                "source_type",
                "source_id",
                "span_id",
                "value",
                "rationale",
            ),
            *("declined_reason", "valid", "author_id"),
        )
        .order_by("created_at", "pk")
    )
    histories: dict[_Key, _History] = defaultdict(_History)
    for row in rows:
        history = histories[
            (row.trace_id, row.kind, row.name, row.source_type, row.source_id, row.span_id)
        ]
        if row.valid:
            history.current = row
        else:
            history.past.append(row)
    return histories


def _key_of(trace: int, record: AssessmentRecord) -> _Key:
    return (trace, record.kind, record.name, record.source_type, record.source_id, record.span_id)


def _is_known(history: _History, record: AssessmentRecord) -> bool:
    if history.current and _says_the_same(history.current, record):
        return True
    changed_in_app = history.current is None or history.current.author_id is not None
    return changed_in_app and any(_says_the_same(row, record) for row in history.past)


def _says_the_same(row: Assessment, record: AssessmentRecord) -> bool:
    if row.kind == Kind.FEEDBACK and row.value is not None and record.value is not None:
        same_value = value_key(row.value) == value_key(record.value)
    else:
        same_value = row.value == record.value
    return (
        same_value
        and row.rationale == record.rationale
        and row.declined_reason == record.declined_reason
    )


def _row(trace: int, record: AssessmentRecord, *, overrides: Assessment | None) -> Assessment:
    is_feedback = record.kind == Kind.FEEDBACK and record.value is not None
    created_at = record.created_at or timezone.now()
    return Assessment(
        trace_id=trace,
        kind=record.kind,
        name=record.name,
        source_type=record.source_type,
        source_id=record.source_id,
        span_id=record.span_id,
        value=record.value,
        value_key=value_key(record.value)[:250] if is_feedback else "",
        rationale=record.rationale,
        declined_reason=record.declined_reason,
        overrides=overrides,
        created_at=created_at,
        updated_at=created_at,
    )
