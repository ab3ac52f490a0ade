"""The steps of a trace as a tree, in the order they happened, with the place of each on the time line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from annotator.models import Span

TIMELINE_WIDTH = 1000
DEEPEST_INDENT = 8
_NARROWEST_BAR = 4


@dataclass(frozen=True, kw_only=True)
class Step:
    """A span in its place.

    Attributes:
        span: The span.
        depth: How deep in the tree, at most `DEEPEST_INDENT`.
        x: Where its bar starts, of `TIMELINE_WIDTH` units for the whole trace.
        width: How long its bar is, in the same units.
    """

    span: Span
    depth: int
    x: int
    width: int


def steps_of(spans: Sequence[Span]) -> list[Step]:
    """Depth first, earliest first. A span whose parent is missing, or its own ancestor, stands at the top."""
    if not spans:
        return []
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.start_ns, span.pk or 0)):
        children[span.parent_id if span.parent_id in known else ""].append(span)
    start = min(span.start_ns for span in spans)
    length = max(1, max(span.end_ns or span.start_ns for span in spans) - start)
    steps: list[Step] = []
    placed: set[str] = set()

    def place(tops: list[Span]) -> None:
        waiting = [(span, 0) for span in reversed(tops)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id in placed:
                continue
            placed.add(span.span_id)
            steps.append(_step(span, depth, start, length))
            waiting += [(child, depth + 1) for child in reversed(children[span.span_id])]

    place(children[""])
    for span in spans:  # what is left are circles: each is entered at its first span
        if span.span_id not in placed:
            place([span])
    return steps


def _step(span: Span, depth: int, start: int, length: int) -> Step:
    x = round((span.start_ns - start) / length * TIMELINE_WIDTH)
    duration = max(0, (span.end_ns or span.start_ns) - span.start_ns)
    width = max(_NARROWEST_BAR, round(duration / length * TIMELINE_WIDTH))
    x = max(0, min(x, TIMELINE_WIDTH - _NARROWEST_BAR))
    return Step(
        span=span,
        depth=min(depth, DEEPEST_INDENT),
        x=x,
        width=min(width, TIMELINE_WIDTH - x),
    )
