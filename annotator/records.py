"""What comes in from files and clients: checked, typed, and not yet in the database.

A reader (`annotator.ingest`) makes these records, a service stores them; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from judges.entities import Span
from judges.values import Value, ValueType


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


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanRecord:
    """One span as a client sent it: decoded, translated into our words, and bounded.

    Attributes:
        trace_id: The trace, `tr-` and 32 hex digits.
        span_id: 16 hex digits.
        parent_id: The same of the parent; empty for a root.
        has_remote_parent: Whether the parent ran in another process, which may never send it.
        name: At most 500 characters.
        span_type: Such as LLM or TOOL.
        kind: OpenTelemetry's number, 0 to 5.
        start_ns: Nanoseconds since 1970.
        end_ns: The same; None while it runs.
        inputs: Any JSON; None when there are none.
        outputs: The same.
        status: OK, ERROR or UNSET.
        status_message: What went wrong.
        attributes: Everything else that was said of it, as JSON.
        events: `{"name", "time_ns", "attributes"}` each.
        links: `{"trace_id", "span_id", "attributes"}` each, ids in hex.
        tags: What it says the whole trace should be tagged with.
        metadata: What it says of the whole trace, such as its session.
    """

    trace_id: str
    span_id: str
    parent_id: str
    has_remote_parent: bool
    name: str
    span_type: str
    kind: int
    start_ns: int
    end_ns: int | None
    inputs: Any
    outputs: Any
    status: str
    status_message: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]
    tags: dict[str, str]
    metadata: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class TraceInfoRecord:
    """What a client says of a whole trace when it ends ("StartTrace").

    Attributes:
        trace_id: The trace.
        experiment_id: The experiment, as the client names it.
        state: One of MLflow's states.
        requested_at: When it began.
        duration_ms: How long it took; None when the client does not say.
        client_request_id: The client's own id; empty when it has none.
        request_preview: Text of at most 1,000 characters; None when the client gives none.
        response_preview: The same.
        tags: Texts by key, without those that belong to the server.
        metadata: The same.
        assessments: As they came, not looked at yet.
    """

    trace_id: str
    experiment_id: str
    state: str
    requested_at: datetime
    duration_ms: int | None = None
    client_request_id: str = ""
    request_preview: str | None = None
    response_preview: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    assessments: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class AssessmentDraft:
    """An assessment as a program sends it, decoded; nothing is known of the database yet.

    Attributes:
        assessment_id: The id that it comes with; empty when one is to be made.
        name: What it is about, such as a judge's name.
        kind: FEEDBACK or EXPECTATION.
        source_type: HUMAN, LLM_JUDGE or CODE.
        source_id: Who.
        span_id: The span it is about; empty for the whole trace.
        value: Any JSON value, with the type it came with.
        is_serialized: Whether an expectation came as JSON text.
        error_code: Why there is no value: a code; empty when there was no error.
        error_message: The same as a sentence.
        error_stack: Where it happened.
        rationale: The reason.
        metadata: Texts by key.
        overrides: The id of the assessment that it puts out of force; empty for none.
        valid: Whether it is in force.
        created_at: When it was given; None for now.
        updated_at: When it was changed last; None for then.
    """

    assessment_id: str = ""
    name: str
    kind: str
    source_type: str
    source_id: str
    span_id: str = ""
    value: Any = None
    is_serialized: bool = False
    error_code: str = ""
    error_message: str = ""
    error_stack: str = ""
    rationale: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    overrides: str = ""
    valid: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class AssessmentChange:
    """What a program changes of an assessment; None stays as it is.

    Attributes:
        name: Another name.
        draft: Where value and error are taken from, when they change.
        rationale: Another reason.
        metadata: Entries that are added, or take the place of those with their keys.
        valid: Whether it is in force.
    """

    name: str | None = None
    draft: AssessmentDraft | None = None
    rationale: str | None = None
    metadata: dict[str, str] | None = None
    valid: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ScorerDraft:
    """A judge as a client registers it, as far as it can be understood.

    Attributes:
        serialized: What came, to the letter.
        description: For people.
        instructions: Its criteria; empty where it has none.
        value_type: What its verdicts may be.
        model: The model that it asks; empty where it names none.
        inference_params: temperature and the like.
        generate_rationale_first: Whether the reason comes before the verdict.
        not_runnable: Why it cannot be run here, as a sentence; empty when it can.
    """

    serialized: str
    description: str = ""
    instructions: str = ""
    value_type: ValueType
    model: str = ""
    inference_params: dict[str, Any] = field(default_factory=dict)
    generate_rationale_first: bool = False
    not_runnable: str = ""
