"""What comes in from files and clients: checked, typed, and not yet in the database.

A reader (`annotator.ingest`) makes these records, a service stores them; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from judges.entities import Span
from judges.values import Value


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A line that was not taken, and why.

    Attributes:
        line: Its number in the file, from 1.
        field: Which part of it is wrong, such as `assessments[2].value`; empty for the whole line.
        reason: A sentence that says what is wrong and what to do.
    """

    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.field}" if self.field else "")
        return f"{where}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class AssessmentRecord:
    """One assessment of a trace. Either `value` or, for a person who could not judge, `declined_reason` is set."""

    name: str
    value: Value | Any | None
    source_type: str
    source_id: str
    rationale: str = ""
    declined_reason: str = ""
    kind: str = "FEEDBACK"
    span_id: str = ""
    created_at: datetime | None = None
    position: int = 0


@dataclass(frozen=True, kw_only=True)
class TraceRecord:
    """One trace. What is None was not given: it gets a default on a new trace and stays as it is on a known one."""

    trace_id: str
    line: int = 0
    inputs: Any = None
    outputs: Any = None
    state: str | None = None
    requested_at: datetime | None = None
    duration_ms: int | None = None
    tags: dict[str, str] | None = None
    metadata: dict[str, Any] | None = None
    conversation_id: str | None = None
    spans: tuple[Span, ...] = ()
    assessments: tuple[AssessmentRecord, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class FeedbackRecord:
    """A person's answer about a trace that is here already.

    Attributes:
        line: Where it stands in the file, from 1.
        trace_id: The trace.
        name: The judge's name; None when the file leaves it to the caller.
        value: The answer, as text or as a JSON value; the judge's value type has not been applied yet.
        rationale: The reason.
        declined_reason: Why the person could not judge, instead of a value.
        source_id: Who gave it; None when the file leaves it to the caller.
        span_id: The span it is about; empty for the whole trace.
        created_at: When it was given; None for now.
    """

    line: int
    trace_id: str
    name: str | None
    value: Value | None
    rationale: str = ""
    declined_reason: str = ""
    source_id: str | None = None
    span_id: str = ""
    created_at: datetime | None = None
