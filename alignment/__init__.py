"""Alignment: labels from feedback, readiness, splits, figures, optimizers, and the gate. No Django.

Importing this package loads neither DSPy nor a model library; names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignment.gate import Decision, GatePolicy, Outcome, decide
    from alignment.labels import Example, LabelRule, examples_from_traces, settle
    from alignment.plugins import get_optimizer_class, list_optimizers
    from alignment.readiness import Readiness, Thresholds
    from alignment.result import RunResult
    from alignment.runner import run_alignment
    from alignment.sides import Side, Sides
    from alignment.simba import SIMBAAlignmentOptimizer
    from alignment.split import Split, SplitPolicy, make_split
    from judges.base import AlignmentOptimizer

__all__ = [
    "AlignmentOptimizer",
    "Decision",
    "Example",
    "GatePolicy",
    "LabelRule",
    "Outcome",
    "Readiness",
    "RunResult",
    "SIMBAAlignmentOptimizer",
    "Side",
    "Sides",
    "Split",
    "SplitPolicy",
    "Thresholds",
    "decide",
    "examples_from_traces",
    "get_optimizer_class",
    "list_optimizers",
    "make_split",
    "run_alignment",
    "settle",
]

_HOMES = {
    "AlignmentOptimizer": "judges.base",
    "Decision": "alignment.gate",
    "Example": "alignment.labels",
    "GatePolicy": "alignment.gate",
    "LabelRule": "alignment.labels",
    "Outcome": "alignment.gate",
    "Readiness": "alignment.readiness",
    "RunResult": "alignment.result",
    "SIMBAAlignmentOptimizer": "alignment.simba",
    "Side": "alignment.sides",
    "Sides": "alignment.sides",
    "Split": "alignment.split",
    "SplitPolicy": "alignment.split",
    "Thresholds": "alignment.readiness",
    "decide": "alignment.gate",
    "examples_from_traces": "alignment.labels",
    "get_optimizer_class": "alignment.plugins",
    "list_optimizers": "alignment.plugins",
    "make_split": "alignment.split",
    "run_alignment": "alignment.runner",
    "settle": "alignment.labels",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
