"""Pages of a list of traces, newest first, by key instead of by number: every page is as fast as the first, and rows
that come in meanwhile shift nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from annotator.models import Trace
from annotator.models.traces import TraceQuerySet

PAGE_SIZE = 30
COUNT_LIMIT = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Key:
    """A trace's place in the list."""

    requested_at: datetime
    pk: int

    @classmethod
    def of(cls, trace: Trace) -> Key:
        """The key of a trace."""
        return cls(requested_at=trace.requested_at, pk=trace.pk)

    @classmethod
    def from_text(cls, text: str) -> Key | None:
        """The key that `str` wrote; None for anything else, which means the first page."""
        moment, _, pk = text.partition(".")
        try:
            return cls(requested_at=_EPOCH + int(moment) * _MICROSECOND, pk=int(pk))
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{(self.requested_at - _EPOCH) // _MICROSECOND}.{self.pk}"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of traces, and the keys with which its neighbours are asked for; None where there is none."""

    traces: list[Trace]
    newer_than: Key | None
    older_than: Key | None


def older(traces: TraceQuerySet, key: Key) -> TraceQuerySet:
    """Those after the key in the list, nearest first."""
    # `<= and not equal` is the form that both databases answer from the index alone; an OR is not.
    return (
        traces.filter(requested_at__lte=key.requested_at)
        .exclude(requested_at=key.requested_at, pk__gte=key.pk)
        .newest_first()
    )


def newer(traces: TraceQuerySet, key: Key) -> TraceQuerySet:
    """Those before the key in the list, nearest first."""
    return (
        traces.filter(requested_at__gte=key.requested_at)
        .exclude(requested_at=key.requested_at, pk__lte=key.pk)
        .order_by("requested_at", "pk")
    )


def page_of(
    traces: TraceQuerySet,
    *,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    size: int = PAGE_SIZE,
) -> Page:
    """The page after `older_than` or before `newer_than`, or the first one."""
    if newer_than is not None:
        rows = list(newer(traces, newer_than)[: size + 1])
        if len(rows) > size:
            shown = rows[:size][::-1]
            return Page(traces=shown, newer_than=Key.of(shown[0]), older_than=Key.of(shown[-1]))
    elif older_than is not None:
        rows = list(older(traces, older_than)[: size + 1])
        shown = rows[:size]
        if shown:
            return Page(
                traces=shown,
                newer_than=Key.of(shown[0]),
                older_than=Key.of(shown[-1]) if len(rows) > size else None,
            )
    # The first page: asked for, reached, or all that is left.
    rows = list(traces.newest_first()[: size + 1])
    shown = rows[:size]
    return Page(
        traces=shown,
        newer_than=None,
        older_than=Key.of(shown[-1]) if len(rows) > size else None,
    )


def neighbours(traces: TraceQuerySet, trace: Trace) -> tuple[str | None, str | None]:
    """The trace ids before and after a trace in the list, whether or not it is in the list (any more) itself."""
    key = Key.of(trace)
    return (
        newer(traces, key).values_list("trace_id", flat=True).first(),
        older(traces, key).values_list("trace_id", flat=True).first(),
    )


def count_up_to_limit(traces: TraceQuerySet) -> int:
    """How many traces there are; one more than `COUNT_LIMIT` stands for all that is above."""
    return traces.order_by().values("pk")[: COUNT_LIMIT + 1].count()
