"""Tags and metadata of traces in rows of their own, by which traces are found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from annotator.models import Trace, TraceFact
from judges.answers import clean_text

CHUNK = 500
LONGEST_KEY = 250
# On nearly every trace, long or never looked for: rows for them would only slow down what comes in.
UNINDEXED_METADATA = frozenset(
    {
        "mlflow.traceInputs",
        "mlflow.traceOutputs",
        "mlflow.trace.sizeBytes",
        "mlflow.trace.sizeStats",
        "mlflow.trace_schema.version",
    }
)

_Key = tuple[int, str, str]


def store_facts(traces: Iterable[Trace], *, new: Collection[int] = ()) -> None:
    """Make the rows say what `tags` and `metadata` of the traces say; call it in the transaction that changed those.

    Args:
        traces: Saved traces whose tags or metadata are new or were changed.
        new: Primary keys among theirs that were created just now, so that no rows need be looked for.
    """
    rows_of = list(traces)
    wanted = {key: value for trace in rows_of for key, value in facts_of(trace)}
    known: dict[_Key, TraceFact] = {}
    if known_pks := {trace.pk for trace in rows_of}.difference(new):
        for fact in TraceFact.objects.filter(trace__in=known_pks):
            known[fact.trace_id, fact.kind, fact.key] = fact
    gone = [fact.pk for key, fact in known.items() if key not in wanted]
    rows = [
        TraceFact(
            trace_id=trace,
            kind=kind,
            key=key,
            value=value,
            value_start=value[: TraceFact.VALUE_START],
        )
        for (trace, kind, key), value in wanted.items()
        if (before := known.get((trace, kind, key))) is None or before.value != value
    ]
    if gone:
        TraceFact.objects.filter(pk__in=gone).delete()
    TraceFact.objects.bulk_create(
        rows,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["trace", "kind", "key"],
        update_fields=["value", "value_start"],
    )


def facts_of(trace: Trace) -> Iterable[tuple[_Key, str]]:
    """The rows of a trace: its key, the kind and the key of each, and the value."""
    parts: tuple[tuple[str, Mapping[str, Any]], ...] = (
        (TraceFact.Kind.TAG, trace.tags),
        (TraceFact.Kind.METADATA, trace.metadata),
    )
    for kind, facts in parts:
        for key, value in facts.items():
            is_indexed = kind == TraceFact.Kind.TAG or key not in UNINDEXED_METADATA
            if isinstance(value, str) and is_indexed and 0 < len(key) <= LONGEST_KEY:
                yield (trace.pk, str(kind), clean_text(key)), clean_text(value)
