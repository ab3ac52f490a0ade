"""Rows of alignment runs for tests: one under way, and one that awaits an admin."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from alignment.judge_agreement import compare
from alignment.versions import compare_versions
from annotator.models import AlignmentRun, Judge, JudgeVersion, WorkStatus

LABELS = {"tr-a": "good", "tr-b": "poor", "tr-c": "poor", "tr-d": "good"}
BEFORE = {"tr-a": "good", "tr-b": "good", "tr-c": "good", "tr-d": "good"}
AFTER = {"tr-a": "poor", "tr-b": "poor", "tr-c": "poor", "tr-d": "good"}


def create_run(judge: Judge, **fields: Any) -> AlignmentRun:
    """A run under way."""
    return AlignmentRun.objects.create(
        **{
            "judge": judge,
            "trigger": AlignmentRun.Trigger.MANUAL,
            "version_in": judge.current_version,
            "optimizer": "simba",
            "model": "demo:/judge",
            "labels_fingerprint": "x",
            "status": WorkStatus.RUNNING,
            "started_at": timezone.now(),
            **fields,
        }
    )


def _candidate(judge: Judge) -> JudgeVersion:
    first = judge.current_version
    assert first is not None
    return JudgeVersion.objects.create(
        judge=judge,
        number=2,
        parent=first,
        origin=JudgeVersion.Origin.RUN,
        instructions=first.instructions + "\nIt gives a <b>next step</b>.",
        value_type_data=first.value_type_data,
        model=first.model,
    )


def finished_run(judge: Judge, **fields: Any) -> AlignmentRun:
    """A run whose candidate fixed two traces, broke one, and awaits an admin."""
    comparison = compare_versions(LABELS, BEFORE, AFTER)
    choices = judge.value_type.choices
    items = [
        {
            "trace_id": trace,
            "label": LABELS[trace],
            "before": BEFORE[trace],
            "after": AFTER[trace],
            "before_rationale": "",
            "after_rationale": f"Reason on {trace}.",
        }
        for trace in LABELS
    ]
    return create_run(
        judge,
        **{
            "status": WorkStatus.SUCCEEDED,
            "finished_at": timezone.now(),
            "candidate": _candidate(judge),
            "items": items,
            "figures": {
                "before": compare(LABELS, BEFORE, choices).to_dict(),
                "after": compare(LABELS, AFTER, choices).to_dict(),
                "comparison": comparison.to_dict(),
                "is_cross_validated": False,
            },
            "outcome": AlignmentRun.Outcome.CANDIDATE,
            "outcome_reason": "Better, but not decisively.",
            "decision": AlignmentRun.Decision.OPEN,
            **fields,
        },
    )
