"""Judges: made, edited (which makes a version), set, promoted, rolled back."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from alignment.labels import LabelRule, Sides
from annotator.models import Experiment, GuidelineVersion, Judge, JudgeVersion, User
from annotator.services import log
from annotator.services.labels import look_at_readiness, refresh_labels
from judges.instructions import InstructionsJudge
from judges.values import ValueType, value_key

SETTINGS = frozenset(
    {
        "description",
        "label_rule",
        "adjudicator",
        "minimum_labels",
        "recommended_labels",
        "minimum_share",
        "alignment_policy",
        "realign_after",
        "optimizer",
        "optimizer_params",
        "optimizer_model",
        "promotion_policy",
        "promotion_margin",
        "max_harm_per_side",
    }
)


class JudgeServiceError(ValueError):
    """The judge cannot be made or changed so; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


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
        JudgeServiceError: when the experiment has a judge of that name.
        InvalidJudgeError: when the definition is wrong. An imported judge needs no model yet.
    """
    unknown = settings.keys() - SETTINGS
    if unknown:
        raise TypeError(f"no such settings of a judge: {', '.join(sorted(unknown))}")
    try:
        with transaction.atomic():
            judge = Judge.objects.create(
                experiment=experiment,
                name=name,
                description=description,
                sides_data=sides.to_dict() if sides else {},
                created_by=actor,
                **settings,
            )
            version = _add_version(
                judge=judge,
                actor=actor,
                origin=origin,
                instructions=instructions,
                value_type_data=value_type.to_dict(),
                model=model,
                inference_params=inference_params or {},
                base_url=base_url,
                extra_headers=extra_headers or {},
            )
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
                after=_summary(version),
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

    Raises:
        JudgeServiceError: when nothing was changed.
        InvalidJudgeError: when the definition is wrong.
    """
    columns = {
        "instructions": instructions,
        "value_type_data": value_type.to_dict(),
        "model": model,
        "inference_params": inference_params or {},
        "base_url": base_url,
        "extra_headers": extra_headers or {},
    }
    before = judge.current_version
    if before and all(getattr(before, name) == value for name, value in columns.items()):
        raise JudgeServiceError(
            "Nothing was changed, so there is no new version to save.", field="instructions"
        )
    with transaction.atomic():
        version = _add_version(
            judge=judge, actor=actor, origin=JudgeVersion.Origin.PERSON, parent=before, note=note, **columns
        )
        version.to_domain()
        _make_current(judge, version)
        if before and before.value_type != value_type:
            judge.sides_data = {}
            judge.save(update_fields=["sides_data"])
        log.record(
            actor=actor,
            action="edited",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before=_summary(before) if before else None,
            after=_summary(version),
        )
    return version


def add_candidate(
    *, judge: Judge, parent: JudgeVersion, candidate: InstructionsJudge, note: str
) -> JudgeVersion:
    """A version that a run proposes; it is not current until it is promoted."""
    return _add_version(
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
    )


def update_settings(*, actor: User, judge: Judge, sides: Sides | None = None, **fields: Any) -> Judge:
    """Change a judge's policies. A changed label rule makes the labels anew.

    Raises:
        JudgeServiceError: when a value is out of its bounds.
    """
    unknown = fields.keys() - SETTINGS
    if unknown:
        raise TypeError(f"no such settings of a judge: {', '.join(sorted(unknown))}")
    _check_settings(judge, fields)
    if sides is not None:
        fields["sides_data"] = sides.to_dict()
    with transaction.atomic():
        before = {name: getattr(judge, name) for name in fields}
        changed = [name for name, value in fields.items() if before[name] != value]
        for name in changed:
            setattr(judge, name, fields[name])
        if not changed:
            return judge
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
        if {"label_rule", "adjudicator"} & set(changed):
            refresh_labels(judge=judge)
        else:
            look_at_readiness(judge)
    return judge


def promote(*, actor: User | None, judge: Judge, version: JudgeVersion, reason: str = "") -> Judge:
    """Make a version the one in use; the one before it is remembered for `roll_back`.

    Raises:
        JudgeServiceError: when it is another judge's version, or in use already.
    """
    if version.judge_id != judge.pk:
        raise JudgeServiceError("That version belongs to another judge.")
    if judge.current_version_id == version.pk:
        raise JudgeServiceError(f"Version {version.number} is already the one in use.")
    with transaction.atomic():
        before = judge.current_version
        _make_current(judge, version)
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
        judge = Judge.objects.select_for_update(of=("self",)).get(pk=judge.pk)
        previous, current = judge.previous_version, judge.current_version
        if previous is None or current is None:
            raise JudgeServiceError("There is no earlier version in use to go back to.")
        _make_current(judge, previous)
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


def save_guideline(
    *, actor: User | None, judge: Judge, text: str, choose_when: dict[str, str]
) -> GuidelineVersion:
    """A new version of the experts' criteria, in force at once.

    Args:
        choose_when: Per value, by `value_key`, when to choose it.

    Raises:
        JudgeServiceError: when a value is none of the judge's, or nothing was changed.
    """
    allowed = {value_key(value) for value in judge.value_type.choices}
    for key in choose_when:
        if key not in allowed:
            raise JudgeServiceError(f"“{key}” is none of this judge's values.", field="choose_when")
    choose_when = {key: line.strip() for key, line in choose_when.items() if line.strip()}
    before = judge.guideline
    if before and before.text == text and before.choose_when == choose_when:
        raise JudgeServiceError("Nothing was changed, so there is no new version to save.", field="text")
    with transaction.atomic():
        Judge.objects.select_for_update(of=("self",)).get(pk=judge.pk)
        number = judge.guidelines.aggregate(last=Max("number"))["last"] or 0
        guideline = GuidelineVersion.objects.create(
            judge=judge, number=number + 1, text=text, choose_when=choose_when, created_by=actor
        )
        judge.guideline = guideline
        judge.save(update_fields=["guideline"])
        log.record(
            actor=actor,
            action="wrote guideline",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before={"number": before.number, "text": before.text, "choose_when": before.choose_when}
            if before
            else None,
            after={"number": guideline.number, "text": text, "choose_when": choose_when},
        )
    return guideline


def _add_version(
    *, judge: Judge, actor: User | None, origin: str, parent: JudgeVersion | None = None, **columns: Any
) -> JudgeVersion:
    Judge.objects.select_for_update(of=("self",)).get(pk=judge.pk)  # two editors make versions one after the other
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


def _make_current(judge: Judge, version: JudgeVersion) -> None:
    judge.previous_version = judge.current_version
    judge.current_version = version
    judge.save(update_fields=["previous_version", "current_version"])


def _check_settings(judge: Judge, fields: dict[str, Any]) -> None:
    rule = fields.get("label_rule", judge.label_rule)
    if rule == LabelRule.ADJUDICATED and not fields.get("adjudicator", judge.adjudicator):
        raise JudgeServiceError("Name the person whose answer settles the label.", field="adjudicator")
    if not 2 <= fields.get("minimum_labels", judge.minimum_labels) <= 1_000_000:
        raise JudgeServiceError("Ask for at least 2 labels.", field="minimum_labels")
    if not 0 <= fields.get("minimum_share", judge.minimum_share) < 0.5:
        raise JudgeServiceError(
            "The least share of a side must be from 0 % to below 50 %.", field="minimum_share"
        )
    if fields.get("realign_after", judge.realign_after) < 1:
        raise JudgeServiceError("Ask for at least 1 new label.", field="realign_after")
    for name in ("promotion_margin", "max_harm_per_side"):
        if not 0 <= fields.get(name, getattr(judge, name)) <= 1:
            raise JudgeServiceError("Give a share from 0 % to 100 %.", field=name)


def _summary(version: JudgeVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "instructions": version.instructions,
        "model": version.model,
        "value_type": version.value_type_data,
    }
