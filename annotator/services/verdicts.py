"""Verdicts: what a judge version said of traces, logged on them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from annotator.models import Assessment, JudgeVersion, Source
from annotator.models.feedback import SERVED_BY_LENGTH
from judges.entities import Feedback
from judges.values import value_key


def log_verdicts(
    *, version: JudgeVersion, verdicts: Sequence[tuple[int, Feedback]]
) -> list[Assessment]:
    """Log verdicts of one version in one transaction; each takes the place of the version's earlier one.

    Args:
        verdicts: Pairs of a trace's pk and what the judge said of it; every one has a value.
    """
    rows = [
        Assessment(
            trace_id=trace,
            name=version.judge.name,
            source_type=Source.LLM_JUDGE,
            source_id=version.model,
            judge_version=version,
            value=feedback.value,
            value_key=value_key(feedback.value)[:250],
            rationale=feedback.rationale,
            input_tokens=feedback.usage.input_tokens,
            output_tokens=feedback.usage.output_tokens,
            cost=feedback.usage.cost,
            served_by=feedback.metadata.get("served_by", "")[:SERVED_BY_LENGTH],
        )
        for trace, feedback in verdicts
    ]
    with transaction.atomic():
        Assessment.objects.verdicts().filter(
            judge_version=version, span_id="", trace__in=[trace for trace, _ in verdicts]
        ).update(valid=False, updated_at=timezone.now())
        return Assessment.objects.bulk_create(rows)
