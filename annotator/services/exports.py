"""People's feedback out of the database, each answer beside the label and the verdict it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from annotator.models import Assessment, Experiment, Judge, Label

FEEDBACK_COLUMNS = (
    "trace_id",
    "name",
    "span_id",
    "source_id",
    "value",
    "rationale",
    "declined_reason",
    "created_at",
    "guideline_version",
    "label",
    "label_rule",
    "verdict",
    "verdict_by",
    "judge_version",
)
CHUNK = 500


def feedback_rows(
    *, experiment: Experiment, judge: Judge | None = None
) -> Iterator[dict[str, Any]]:
    """The valid human feedback of an experiment, or of one judge, as rows of `FEEDBACK_COLUMNS`.

    `verdict` is the newest one under the same name, `verdict_by` who gave it, `judge_version` the version that did. The
    queries are three for every 500 rows.
    """
    answers = Assessment.objects.human().filter(trace__experiment=experiment)
    if judge is not None:
        answers = answers.filter(name=judge.name)
    answers = answers.select_related("trace", "guideline").only(
        *("name", "span_id", "source_id", "value", "rationale", "declined_reason", "created_at"),
        *("trace__trace_id", "guideline__number"),
    )
    remaining = answers.order_by("trace_id", "name", "created_at", "pk").iterator(chunk_size=CHUNK)
    while chunk := list(islice(remaining, CHUNK)):
        traces = {answer.trace_id for answer in chunk}
        labels = {
            (label.trace_id, label.judge.name): label
            for label in Label.objects.filter(
                trace__in=traces, judge__experiment=experiment
            ).select_related("judge")
        }
        verdicts = {
            (verdict.trace_id, verdict.name): verdict
            for verdict in Assessment.objects.verdicts()
            .filter(trace__in=traces, span_id="", error_text="")
            .exclude(value=None)
            .select_related("judge_version")
            .order_by("created_at", "pk")
        }
        for answer in chunk:
            key = (answer.trace_id, answer.name)
            yield _row(answer, labels.get(key), verdicts.get(key))


def _row(answer: Assessment, label: Label | None, verdict: Assessment | None) -> dict[str, Any]:
    version = verdict.judge_version if verdict else None
    return {
        "trace_id": answer.trace.trace_id,
        "name": answer.name,
        "span_id": answer.span_id,
        "source_id": answer.source_id,
        "value": answer.value,
        "rationale": answer.rationale,
        "declined_reason": answer.declined_reason,
        "created_at": answer.created_at.isoformat(),
        "guideline_version": answer.guideline.number if answer.guideline else None,
        "label": label.value if label else None,
        "label_rule": label.rule if label else None,
        "verdict": verdict.value if verdict else None,
        "verdict_by": verdict.source_id if verdict else None,
        "judge_version": version.number if version else None,
    }
