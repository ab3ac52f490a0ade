"""Traces, spans, feedback: what judges read and give, in MLflow's words, without a database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from judges.values import Value


class SourceType(StrEnum):
    """Who made an assessment. HUMAN teaches, LLM_JUDGE is a verdict, CODE is neither."""

    HUMAN = "HUMAN"
    LLM_JUDGE = "LLM_JUDGE"
    CODE = "CODE"


@dataclass(frozen=True, kw_only=True)
class AssessmentSource:
    """Who made an assessment: the kind, and the person, model URI or program."""

    source_type: SourceType
    source_id: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What calls to a model took. `cost` is in US dollars; None where the price is unknown."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=sum(costs) if costs else None,
        )


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """A value somebody gave a trace under a name: a verdict when a judge gave it.

    Attributes:
        name: The judge's name, exactly.
        value: The typed value; None only together with `error`.
        rationale: The reason, in the giver's words.
        source: Who gave it.
        error: Why there is no value, as one sentence.
        span_id: The span it is about; empty for the whole trace.
        valid: False once it was corrected or withdrawn.
        usage: Tokens and cost of the calls behind it, for a verdict.
        metadata: Anything else, as texts.
    """

    name: str
    value: Value | None
    rationale: str = ""
    source: AssessmentSource
    error: str = ""
    span_id: str = ""
    valid: bool = True
    usage: Usage = field(default_factory=Usage)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the right output would have been, under a name."""

    name: str
    value: Any
    source: AssessmentSource


@dataclass(frozen=True, kw_only=True)
class Span:
    """One step of a trace. Times are integer nanoseconds since 1970, as in OpenTelemetry."""

    span_id: str
    parent_id: str = ""
    name: str
    span_type: str = "UNKNOWN"
    start_ns: int
    end_ns: int | None = None
    inputs: Any = None
    outputs: Any = None
    status: str = "OK"
    status_message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One recorded run of an application, with what was said about it.

    `inputs` and `outputs` are those of the root span. A chat has its turns in `inputs["messages"]` (objects with
    `role`, `content` and, for tools, `tool_calls` or `name`) and the last reply in `outputs["message"]`.
    """

    trace_id: str
    inputs: Any = None
    outputs: Any = None
    spans: tuple[Span, ...] = ()
    assessments: tuple[Feedback | Expectation, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def search_assessments(
        self, name: str | None = None, *, type: Literal["feedback", "expectation"] | None = None
    ) -> list[Feedback | Expectation]:
        """The valid assessments, of one name and kind if given, in the order they were made."""
        wanted: Any = {
            "feedback": Feedback,
            "expectation": Expectation,
            None: (Feedback, Expectation),
        }[type]
        return [
            assessment
            for assessment in self.assessments
            if isinstance(assessment, wanted)
            and (name is None or assessment.name == name)
            and (not isinstance(assessment, Feedback) or assessment.valid)
        ]

    def without_assessments(self) -> Trace:
        """A copy that a judge may see: nothing in it tells what people or judges said of it."""
        return replace(self, assessments=())

    @property
    def expectations(self) -> dict[str, Any]:
        """The expectations by name."""
        return {a.name: a.value for a in self.assessments if isinstance(a, Expectation)}

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The turns of a chat, the last reply included; empty when the trace is none."""
        return conversation_of(self.inputs, self.outputs)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Trace:
        """A trace from its JSON Lines form (`ARCHITECTURE.md`, section 6).

        Raises:
            KeyError, ValueError: when a required key is missing or a source type is unknown.
        """
        assessments: list[Feedback | Expectation] = []
        for item in data.get("assessments", ()):
            source = AssessmentSource(
                source_type=SourceType(item["source_type"]), source_id=str(item["source_id"])
            )
            if item.get("type") == "expectation":
                assessments.append(
                    Expectation(name=item["name"], value=item["value"], source=source)
                )
            else:
                assessments.append(
                    Feedback(
                        name=item["name"],
                        value=item["value"],
                        rationale=item.get("rationale") or "",
                        source=source,
                    )
                )
        return cls(
            trace_id=data["trace_id"],
            inputs=data.get("inputs"),
            outputs=data.get("outputs"),
            spans=tuple(Span(**span) for span in data.get("spans", ())),
            assessments=tuple(assessments),
            tags=data.get("tags") or {},
            metadata=data.get("metadata") or {},
        )


def conversation_of(inputs: Any, outputs: Any) -> list[dict[str, Any]]:
    """The chat turns in the inputs and outputs of a trace, or [] when there are none."""
    if not isinstance(inputs, dict) or not isinstance(inputs.get("messages"), list):
        return []
    turns = [turn for turn in inputs["messages"] if isinstance(turn, dict)]
    if isinstance(outputs, dict):
        if isinstance(outputs.get("message"), dict):
            turns.append(outputs["message"])
        elif isinstance(outputs.get("messages"), list):
            turns.extend(turn for turn in outputs["messages"] if isinstance(turn, dict))
    return turns
