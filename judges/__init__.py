"""Judges: typed verdicts with a reason on traces. No Django; a model library is loaded by the first call to a model."""

from judges.base import AlignmentOptimizer, Judge
from judges.entities import (
    AssessmentSource,
    Expectation,
    Feedback,
    SourceType,
    Span,
    Trace,
    Usage,
)
from judges.instructions import Case, Demonstration, InstructionsJudge, make_judge
from judges.llm import Gateway, register_local_provider, use_gateway
from judges.values import ValueKind, ValueType

__all__ = [
    "AlignmentOptimizer",
    "AssessmentSource",
    "Case",
    "Demonstration",
    "Expectation",
    "Feedback",
    "Gateway",
    "InstructionsJudge",
    "Judge",
    "SourceType",
    "Span",
    "Trace",
    "Usage",
    "ValueKind",
    "ValueType",
    "make_judge",
    "register_local_provider",
    "use_gateway",
]
