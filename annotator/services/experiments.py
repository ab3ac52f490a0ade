"""Experiments: made, renamed, tagged, deleted and restored. Deleting hides; nothing in one is ever lost."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotator.models import Experiment, ExperimentTag, Team, User
from annotator.services import log

DEFAULT_NAME = "Default"
LONGEST_NAME = 250
MOST_TAGS = 200


class ExperimentError(ValueError):
    """The experiment cannot be made or changed so."""


class NameTakenError(ExperimentError):
    """The team has an experiment of that name, perhaps a deleted one."""


def create_experiment(
    *,
    actor: User | None,
    team: Team,
    name: str,
    tags: Mapping[str, str] | None = None,
    artifact_location: str = "",
) -> Experiment:
    """A new experiment of the team.

    Raises:
        NameTakenError: when the team has one of that name.
        ExperimentError: when the name is empty, too long, or holds what cannot be seen.
    """
    _check_name(name)
    try:
        with transaction.atomic():
            experiment = Experiment.objects.create(
                team=team, name=name, artifact_location=artifact_location
            )
            ExperimentTag.objects.bulk_create(
                ExperimentTag(experiment=experiment, key=key, value=value)
                for key, value in (tags or {}).items()
            )
            _record(experiment, actor, "created", after={"name": name})
    except IntegrityError:
        raise _taken(name) from None
    return experiment


def default_experiment(*, team: Team) -> Experiment:
    """The team's default experiment, made when it is missing; one that bears its name already becomes it."""
    found = Experiment.objects.filter(team=team, is_default=True).first()
    if found is not None:
        return found
    with transaction.atomic():
        # Two programs that write for the first time queue up here.
        Team.objects.select_for_update().get(pk=team.pk)
        experiment, created = Experiment.objects.get_or_create(
            team=team, name=DEFAULT_NAME, defaults={"is_default": True}
        )
        if not experiment.is_default:
            experiment.is_default = True
            experiment.save(update_fields=["is_default"])
        if created:
            _record(experiment, None, "created", after={"name": DEFAULT_NAME})
    return experiment


def rename_experiment(*, actor: User, experiment: Experiment, name: str) -> Experiment:
    """Give an experiment another name.

    Raises:
        NameTakenError: when the team has one of that name.
        ExperimentError: when the name is empty, too long, or holds what cannot be seen.
    """
    _check_name(name)
    before = experiment.name
    if name == before:
        return experiment
    experiment.name, experiment.updated_at = name, timezone.now()
    try:
        with transaction.atomic():
            experiment.save(update_fields=["name", "updated_at"])
            _record(experiment, actor, "renamed", before={"name": before}, after={"name": name})
    except IntegrityError:
        raise _taken(name) from None
    return experiment


def delete_experiment(*, actor: User, experiment: Experiment) -> Experiment:
    """Hide an experiment and all that is in it. Doing it twice changes nothing."""
    return _set_deleted(actor, experiment, is_deleted=True)


def restore_experiment(*, actor: User, experiment: Experiment) -> Experiment:
    """Bring a deleted experiment back, as it was. Doing it twice changes nothing."""
    return _set_deleted(actor, experiment, is_deleted=False)


def set_tag(*, actor: User, experiment: Experiment, key: str, value: str) -> ExperimentTag:
    """Attach a value to an experiment under a key, in place of the one before.

    Raises:
        ExperimentError: when it has very many tags already.
    """
    with transaction.atomic():
        others = ExperimentTag.objects.filter(experiment=experiment).exclude(key=key)
        if others.count() >= MOST_TAGS:
            raise ExperimentError(f"An experiment has at most {MOST_TAGS} tags; delete one first.")
        before = ExperimentTag.objects.filter(experiment=experiment, key=key).first()
        tag, _ = ExperimentTag.objects.update_or_create(
            experiment=experiment, key=key, defaults={"value": value}
        )
        Experiment.objects.filter(pk=experiment.pk).update(updated_at=timezone.now())
        _record(
            experiment,
            actor,
            "tagged",
            before={key: before.value} if before else None,
            after={key: value},
        )
    return tag


def delete_tag(*, actor: User, experiment: Experiment, key: str) -> bool:
    """Take a tag off; False when there was none."""
    with transaction.atomic():
        tag = ExperimentTag.objects.filter(experiment=experiment, key=key).first()
        if tag is None:
            return False
        tag.delete()
        Experiment.objects.filter(pk=experiment.pk).update(updated_at=timezone.now())
        _record(experiment, actor, "untagged", before={key: tag.value})
    return True


def _set_deleted(actor: User, experiment: Experiment, *, is_deleted: bool) -> Experiment:
    now = timezone.now()
    with transaction.atomic():
        changed = Experiment.objects.filter(pk=experiment.pk, deleted_at__isnull=is_deleted).update(
            deleted_at=now if is_deleted else None, updated_at=now
        )
        if changed:
            _record(experiment, actor, "deleted" if is_deleted else "restored")
    experiment.refresh_from_db(fields=["deleted_at", "updated_at"])
    return experiment


def _check_name(name: str) -> None:
    if not name.strip():
        raise ExperimentError("An experiment needs a name.")
    if len(name) > LONGEST_NAME:
        raise ExperimentError(f"An experiment's name has at most {LONGEST_NAME} characters.")
    if not name.isprintable():
        raise ExperimentError(
            "The name holds a line break or a character that cannot be shown; take it out."
        )


def _taken(name: str) -> NameTakenError:
    return NameTakenError(
        f"Experiment '{name}' already exists, perhaps deleted; choose another name or restore it."
    )


def _record(
    experiment: Experiment,
    actor: User | None,
    action: str,
    *,
    before: object = None,
    after: object = None,
) -> None:
    log.record(
        actor=actor,
        action=action,
        target=experiment,
        team=experiment.team,
        name=experiment.name,
        before=before,
        after=after,
    )
