"""Judges that clients register, and which versions they see: MLflow's scorers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max, Q

from annotator.models import AlignmentRun, Experiment, Judge, JudgeVersion, User
from annotator.records import ScorerDraft
from annotator.services import log
from annotator.services.judge_checks import checked_name
from annotator.services.judges import add_version, make_current, version_summary
from annotator.services.labels import lock_judge, refresh_labels

_NAMESPACE = uuid.UUID("6f0f1f0e-5d0b-4a57-9d5c-2f6e4a0c9b11")


def register_scorer(
    *, actor: User, experiment: Experiment, name: str, draft: ScorerDraft
) -> JudgeVersion:
    """Make what a client registers a judge, or a new version of the judge of that name, and put it in use.

    One that cannot be run here is kept and shown. It is put in use only where there is nothing else, because the judge
    would stand still.

    Raises:
        JudgeServiceError: when the name cannot be used.
    """
    checked_name(name)
    columns = {
        "instructions": draft.instructions,
        "value_type_data": draft.value_type.to_dict(),
        "model": draft.model,
        "inference_params": draft.inference_params,
        "generate_rationale_first": draft.generate_rationale_first,
        "serialized": draft.serialized,
        "not_runnable": draft.not_runnable,
    }
    with transaction.atomic():
        # Two that register the same name at once make two versions: the second waits here for the first.
        Experiment.objects.select_for_update(no_key=True).values_list("pk").get(pk=experiment.pk)
        judge, is_new = Judge.objects.get_or_create(
            experiment=experiment,
            name=name,
            defaults={
                "description": draft.description,
                "created_by": actor,
                # what has a memory or no model of ours is not aligned by itself
                **(
                    {"alignment_policy": Judge.AlignmentPolicy.MANUAL} if draft.not_runnable else {}
                ),
            },
        )
        lock_judge(judge)
        version = add_version(
            judge=judge,
            actor=actor,
            origin=JudgeVersion.Origin.CLIENT,
            parent=judge.current_version,
            **columns,
        )
        if judge.current_version is None or not draft.not_runnable:
            make_current(judge, version)
        log.record(
            actor=actor,
            action="registered",
            target=judge,
            team=experiment.team,
            name=judge.name,
            after=version_summary(version),
        )
        if is_new:
            refresh_labels(judge=judge)  # feedback under this name may have been there before
    return version


def unregister_scorer(
    *, actor: User, judge: Judge, versions: Sequence[JudgeVersion], is_all: bool
) -> None:
    """Let programs see these versions no more. People keep the judge, with its feedback, its runs and its history.

    Args:
        is_all: Whether none is left; the next one that is registered is then number 1 again.
    """
    with transaction.atomic():
        lock_judge(judge)
        JudgeVersion.objects.filter(pk__in=[version.pk for version in versions]).update(
            is_unregistered=True
        )
        if is_all:
            judge.registered_after = judge.versions.aggregate(last=Max("number"))["last"] or 0
            judge.save(update_fields=["registered_after"])
        log.record(
            actor=actor,
            action="unregistered",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before={"versions": [version.number for version in versions]},
        )


def registered_versions(experiment: Experiment, *, name: str = "") -> list[JudgeVersion]:
    """The versions that programs see, by judge and number: not what a run proposes and nobody has promoted."""
    promoted = AlignmentRun.objects.filter(decision=AlignmentRun.Decision.PROMOTED)
    versions = (
        JudgeVersion.objects.filter(judge__experiment=experiment, is_unregistered=False)
        .filter(
            ~Q(origin=JudgeVersion.Origin.RUN)
            | Q(pk__in=promoted.values("candidate"))
            | Q(pk__in=Judge.objects.values("current_version"))
        )
        .select_related("judge")
        .order_by("judge__name", "number")
    )
    if name:
        versions = versions.filter(judge__name=name)
    return [version for version in versions if version.number > version.judge.registered_after]


def served_version(versions: Sequence[JudgeVersion]) -> JudgeVersion:
    """Which of a judge's versions a program gets that names none: the one in use, so that rolling back reaches
    programs too; the newest, where that cannot be run here, because then only programs can say which is in use."""
    newest = versions[-1]
    in_use = next((each for each in versions if each.pk == each.judge.current_version_id), newest)
    return newest if newest.not_runnable and newest.number > in_use.number else in_use


def scorer_id_of(judge: Judge) -> str:
    """The id of all versions of a judge that programs see; another one after all were deleted."""
    return str(uuid.uuid5(_NAMESPACE, f"{judge.pk}:{judge.registered_after}"))


def wire_number(version: JudgeVersion) -> int:
    """The number of a version as programs count."""
    return version.number - version.judge.registered_after
