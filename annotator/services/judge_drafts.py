"""Judges for names that came with imported assessments: a first draft each, which an admin completes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction
from django.db.models import Max

from alignment.labels import LabelRule
from annotator.models import Assessment, Experiment, Judge, JudgeVersion, Kind, User
from annotator.services.judges import create_judge
from annotator.services.labels import refresh_labels
from judges.values import Value, ValueKind, ValueType, value_key

MOST_CATEGORIES = 12
LONGEST_CATEGORY = 40


def is_draft(judge: Judge) -> bool:
    """Whether an import made the judge and nobody has completed it since; then its value type may still grow."""
    version = judge.current_version
    return (
        version is not None and version.origin == JudgeVersion.Origin.IMPORT and not version.model
    )


@transaction.atomic
def draft_judges(
    *, experiment: Experiment, names: Collection[str], adjudicator: str, actor: User | None
) -> list[Judge]:
    """Make a draft for each name without a judge, and let earlier drafts take up values seen since.

    Args:
        names: Names of feedback in the experiment.
        adjudicator: The source id whose answer, where a name has it, settles the label alone.

    Returns:
        The judges that were made.
    """
    judges = {
        judge.name: judge
        for judge in Judge.objects.filter(experiment=experiment, name__in=names).select_related(
            "current_version", "experiment__team"
        )
    }
    wanted = [name for name in names if name not in judges or is_draft(judges[name])]
    values = _values_by_name(experiment, wanted)
    adjudicated = set(
        Assessment.objects.human()
        .filter(trace__experiment=experiment, name__in=wanted, source_id=adjudicator)
        .values_list("name", flat=True)
    )
    created: list[Judge] = []
    for name in sorted(values):
        value_type = infer_value_type(values[name])
        rule: dict[str, Any] = {
            "label_rule": LabelRule.ADJUDICATED.value,
            "adjudicator": adjudicator,
        }
        if name in judges:
            _grow(judges[name], value_type, rule if name in adjudicated else {}, actor=actor)
            continue
        created.append(
            create_judge(
                actor=actor,
                experiment=experiment,
                name=name,
                instructions=draft_instructions(name, value_type),
                value_type=value_type,
                origin=JudgeVersion.Origin.IMPORT,
                alignment_policy=Judge.AlignmentPolicy.MANUAL,
                **(rule if name in adjudicated else {}),
            )
        )
    return created


def infer_value_type(values: Iterable[Value]) -> ValueType:
    """The narrowest type that all the values have: yes/no, a range of numbers, few categories, or text."""
    distinct = {value_key(value): value for value in values}
    found = list(distinct.values())
    if found and all(isinstance(value, bool) for value in found):
        return ValueType(kind=ValueKind.BOOLEAN)
    numbers = [
        value for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    if numbers and len(numbers) == len(found):
        is_whole = all(float(number).is_integer() for number in numbers)
        low, high = math.floor(min(numbers)), math.ceil(max(numbers))
        return ValueType(
            kind=ValueKind.INTEGER if is_whole else ValueKind.NUMBER,
            minimum=low if low < high else None,
            maximum=high if low < high else None,
        )
    texts = sorted(str(value) for value in found)
    folded = {text.casefold() for text in texts}
    is_short = all(len(text) <= LONGEST_CATEGORY and text == text.strip() for text in texts)
    if 2 <= len(texts) <= MOST_CATEGORIES and is_short and len(folded) == len(texts):
        return ValueType(kind=ValueKind.CATEGORY, categories=tuple(texts))
    return ValueType(kind=ValueKind.TEXT)


def draft_instructions(name: str, value_type: ValueType) -> str:
    """General instructions to begin with; what the experts mean by the name, the alignment finds out."""
    subject = name.replace("_", " ").replace("{{", "{").replace("}}", "}")
    return (
        f"Assess “{subject}” of what the application produced.\n\n"
        "What it was given:\n{{ inputs }}\n\n"
        "What it produced:\n{{ outputs }}\n\n"
        f"The verdict is {value_type.describe()}."
    )


def _values_by_name(experiment: Experiment, names: Collection[str]) -> dict[str, list[Value]]:
    rows = (
        Assessment.objects.valid()
        .filter(trace__experiment=experiment, name__in=names, kind=Kind.FEEDBACK)
        .values_list("name", "value")
        .distinct()
        .order_by()
    )
    values: dict[str, list[Value]] = defaultdict(list)
    for name, value in rows:
        if value is not None:
            values[name].append(value)
    return values


def _grow(judge: Judge, value_type: ValueType, rule: dict[str, Any], *, actor: User | None) -> None:
    before = judge.current_version
    if before is not None and before.value_type != value_type:
        judge.previous_version = before
        judge.current_version = JudgeVersion.objects.create(
            judge=judge,
            number=(judge.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
            parent=before,
            origin=JudgeVersion.Origin.IMPORT,
            instructions=draft_instructions(judge.name, value_type),
            value_type_data=value_type.to_dict(),
            note="The import brought values that the draft did not know.",
            created_by=actor,
        )
        judge.save(update_fields=["current_version", "previous_version"])
    if any(getattr(judge, field) != value for field, value in rule.items()):
        for field, value in rule.items():
            setattr(judge, field, value)
        judge.save(update_fields=list(rule))
        refresh_labels(judge=judge)
