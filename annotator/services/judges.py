"""Judges: made, edited (which makes a version), set, promoted, rolled back."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from alignment.labels import Sides
from annotator.models import AlignmentRun, Experiment, Judge, JudgeVersion, User
from annotator.services import log
from annotator.services.judge_checks import (
    JudgeServiceError,
    checked_name,
    checked_settings,
    checked_sides,
    checked_texts,
    sides_carried_over,
)
from annotator.services.labels import lock_judge, look_at_readiness, refresh_labels
from judges.answers import clean_text
from judges.instructions import InstructionsJudge
from judges.values import InvalidValueError, ValueType

__all__ = [
    "JudgeServiceError",
    "add_candidate",
    "add_version",
    "create_judge",
    "edit_judge",
    "make_current",
    "promote",
    "roll_back",
    "update_settings",
    "version_summary",
]


def create_judge(
    *,
    actor: User | None,
    experiment: Experiment,
    name: str,
    instructions: str,
    value_type: ValueType,
    model: str = "",
    description: str = "",
    inference_params: dict[str, Any] | None = None,
    base_url: str = "",
    extra_headers: dict[str, str] | None = None,
    sides: Sides | None = None,
    origin: str = JudgeVersion.Origin.PERSON,
    **settings: Any,
) -> Judge:
    """A judge with its first version. `settings` are those of `update_settings`.

    Raises:
        JudgeServiceError: when the name cannot be used, the experiment has a judge of that name, or a setting is out
            of its bounds.
        InvalidJudgeError: when the definition is wrong. An imported judge needs no model yet.
    """
    checked_name(name)
    settings = checked_settings(Judge(), {"description": description, **settings})
    columns = {
        **checked_texts({"instructions": instructions, "model": model, "base_url": base_url}),
        "value_type_data": value_type.to_dict(),
        "inference_params": inference_params or {},
        "extra_headers": extra_headers or {},
    }
    sides_data = checked_sides(sides, value_type) if sides else {}
    try:
        with transaction.atomic():
            judge = Judge.objects.create(
                experiment=experiment,
                name=name,
                sides_data=sides_data,
                created_by=actor,
                **settings,
            )
            version = add_version(judge=judge, actor=actor, origin=origin, **columns)
            judge.current_version = version
            judge.save(update_fields=["current_version"])
            if model or origin != JudgeVersion.Origin.IMPORT:
                version.to_domain()
            log.record(
                actor=actor,
                action="created",
                target=judge,
                team=experiment.team,
                name=judge.name,
                after=version_summary(version),
            )
            # Feedback under this name may have been there before the judge was.
            refresh_labels(judge=judge)
    except IntegrityError:
        raise JudgeServiceError(
            f"The experiment {experiment.name} already has a judge “{name}”; edit that one or choose another name.",
            field="name",
        ) from None
    return judge


def edit_judge(
    *,
    actor: User,
    judge: Judge,
    instructions: str,
    value_type: ValueType,
    model: str,
    inference_params: dict[str, Any] | None = None,
    base_url: str = "",
    extra_headers: dict[str, str] | None = None,
    note: str = "",
) -> JudgeVersion:
    """A new version, made current; the old one stays as it was.

    The examples and guidelines that a run has found go along, as far as their values are still there.

    Raises:
        JudgeServiceError: when nothing was changed, or a text is too long.
        InvalidJudgeError: when the definition is wrong.
    """
    note = checked_texts({"note": note})["note"]
    columns = {
        **checked_texts({"instructions": instructions, "model": model, "base_url": base_url}),
        "value_type_data": value_type.to_dict(),
        "inference_params": inference_params or {},
        "extra_headers": extra_headers or {},
    }
    with transaction.atomic():
        lock_judge(judge)
        before = judge.current_version
        if before and all(getattr(before, name) == value for name, value in columns.items()):
            raise JudgeServiceError(
                "Nothing was changed, so there is no new version to save.", field="instructions"
            )
        if before:
            columns["generate_rationale_first"] = before.generate_rationale_first
            columns["demonstrations"] = _fitting(before.demonstrations, value_type)
            columns["memory_data"] = _fitting_memory(before, value_type)
            if before.value_type == value_type:
                columns["calibration_data"] = before.calibration_data
        version = add_version(
            judge=judge,
            actor=actor,
            origin=JudgeVersion.Origin.PERSON,
            parent=before,
            note=note,
            **columns,
        )
        version.to_domain()
        make_current(judge, version)
        log.record(
            actor=actor,
            action="edited",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before=version_summary(before) if before else None,
            after=version_summary(version),
        )
    return version


def add_candidate(
    *, judge: Judge, parent: JudgeVersion, candidate: InstructionsJudge, note: str
) -> JudgeVersion:
    """A version that a run proposes; it is not current until it is promoted."""
    return add_version(
        judge=judge,
        actor=None,
        origin=JudgeVersion.Origin.RUN,
        parent=parent,
        note=note,
        instructions=candidate.instructions,
        value_type_data=candidate.value_type.to_dict(),
        model=candidate.model,
        inference_params=candidate.inference_params,
        base_url=candidate.base_url or "",
        extra_headers=candidate.extra_headers,
        generate_rationale_first=candidate.generate_rationale_first,
        demonstrations=[demonstration.to_dict() for demonstration in candidate.demonstrations],
        memory_data=candidate.memory.to_dict() if candidate.memory else {},
        calibration_data=candidate.calibration.to_dict() if candidate.calibration else {},
    )


def update_settings(
    *, actor: User, judge: Judge, sides: Sides | None = None, **fields: Any
) -> Judge:
    """Change a judge's policies. A changed label rule makes the labels anew.

    Raises:
        JudgeServiceError: when a value is out of its bounds.
    """
    with transaction.atomic():
        lock_judge(judge)
        fields = checked_settings(judge, fields)
        if sides is not None:
            fields["sides_data"] = checked_sides(sides, judge.value_type)
        before = {name: getattr(judge, name) for name in fields}
        changed = [name for name, value in fields.items() if before[name] != value]
        if not changed:
            return judge
        for name in changed:
            setattr(judge, name, fields[name])
        judge.save(update_fields=changed)
        log.record(
            actor=actor,
            action="set",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before={name: before[name] for name in changed},
            after={name: fields[name] for name in changed},
        )
        if {"label_rule", "adjudicator", "only_current_guideline"} & set(changed):
            refresh_labels(judge=judge)
        else:
            look_at_readiness(judge)
    return judge


def promote(*, actor: User | None, judge: Judge, version: JudgeVersion, reason: str = "") -> Judge:
    """Make a version the one in use; the one before it is remembered for `roll_back`.

    The run that proposed it is decided with it. One that was rejected takes a reason.

    Raises:
        JudgeServiceError: when it is another judge's version, or in use already, or the reason is missing.
    """
    reason = clean_text(reason).strip()
    with transaction.atomic():
        lock_judge(judge)
        if version.judge_id != judge.pk:
            raise JudgeServiceError("That version belongs to another judge.")
        if judge.current_version_id == version.pk:
            raise JudgeServiceError(f"Version {version.number} is already the one in use.")
        run = AlignmentRun.objects.filter(candidate=version)
        if not reason and run.filter(decision=AlignmentRun.Decision.REJECTED).exists():
            raise JudgeServiceError(
                f"Version {version.number} was rejected: say in a sentence why it is to be promoted all the same."
            )
        before = judge.current_version
        make_current(judge, version)
        run.exclude(decision=AlignmentRun.Decision.PROMOTED).update(
            decision=AlignmentRun.Decision.PROMOTED,
            decision_reason=reason,
            decided_by=actor,
            decided_at=timezone.now(),
        )
        log.record(
            actor=actor,
            action="promoted",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before={"version": before.number if before else None},
            after={"version": version.number, "reason": reason},
        )
    return judge


def roll_back(*, actor: User, judge: Judge) -> Judge:
    """Put the version before the current one back in use. Doing it twice undoes it.

    Raises:
        JudgeServiceError: when there is none.
    """
    with transaction.atomic():
        lock_judge(judge)
        previous, current = judge.previous_version, judge.current_version
        if previous is None or current is None:
            raise JudgeServiceError("There is no earlier version in use to go back to.")
        make_current(judge, previous)
        log.record(
            actor=actor,
            action="rolled back",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before={"version": current.number},
            after={"version": previous.number},
        )
    return judge


def add_version(
    *,
    judge: Judge,
    actor: User | None,
    origin: str,
    parent: JudgeVersion | None = None,
    **columns: Any,
) -> JudgeVersion:
    """A version after the newest; it is not in use yet. Call it in a transaction."""
    lock_judge(judge)  # two editors make versions one after the other
    number = judge.versions.aggregate(last=Max("number"))["last"] or 0
    return JudgeVersion.objects.create(
        judge=judge,
        number=number + 1,
        parent=parent,
        origin=origin,
        guideline=judge.guideline,
        created_by=actor,
        **columns,
    )


def make_current(judge: Judge, version: JudgeVersion) -> None:
    """Put the version in use. Where it has other values, sides and labels go along as far as they still fit."""
    before = judge.current_version
    judge.previous_version, judge.current_version = before, version
    fields = ["previous_version", "current_version"]
    has_other_values = before is not None and before.value_type != version.value_type
    if has_other_values:
        judge.sides_data = sides_carried_over(judge.sides_data, version.value_type)
        fields.append("sides_data")
    judge.save(update_fields=fields)
    if has_other_values:
        refresh_labels(judge=judge)
    else:
        look_at_readiness(judge)


def _fitting(cases: list[dict[str, Any]], value_type: ValueType) -> list[dict[str, Any]]:
    fitting = []
    for case in cases:
        try:
            fitting.append({**case, "value": value_type.parse(case["value"])})
        except InvalidValueError:
            continue
    return fitting


def _fitting_memory(version: JudgeVersion, value_type: ValueType) -> dict[str, Any]:
    if not version.memory_data:
        return {}
    return {
        **version.memory_data,
        "examples": _fitting(version.memory_data["examples"], value_type),
    }


def version_summary(version: JudgeVersion) -> dict[str, Any]:
    """What the log tells of a version; of headers the names alone, because a value may be a secret."""
    return {
        "version": version.number,
        "instructions": version.instructions,
        "model": version.model,
        "value_type": version.value_type_data,
        "inference_params": version.inference_params,
        "base_url": version.base_url,
        "extra_headers": sorted(version.extra_headers),
        "note": version.note,
    }
