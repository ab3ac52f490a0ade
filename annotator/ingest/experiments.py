"""Experiments, as MLflow's client asks for them."""

from __future__ import annotations

from typing import Any

from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import AlreadyThereError, InvalidRequestError, NotThereError
from annotator.ingest.experiment_rules import experiment_of
from annotator.ingest.message import Message
from annotator.models import Experiment, Role, Scope
from annotator.permissions import require_role
from annotator.services import experiments as experiment_service

LONGEST_TAG = 5000


@needs(Scope.WRITE_TRACES)
def create(request: MachineRequest) -> dict[str, Any]:
    """Make one."""
    body = Message.from_body(request)
    name = body.text("name", longest=experiment_service.LONGEST_NAME)
    tags = {
        tag.text("key"): tag.text("value", longest=LONGEST_TAG, default="")
        for tag in body.messages("tags", most=experiment_service.MOST_TAGS)
    }
    try:
        experiment = experiment_service.create_experiment(
            actor=request.caller.user,
            team=request.caller.team,
            name=name,
            tags=tags,
            artifact_location=body.text("artifact_location", longest=1000, default=""),
        )
    except experiment_service.NameTakenError as error:
        raise AlreadyThereError(str(error)) from None
    except experiment_service.ExperimentError as error:
        raise InvalidRequestError(str(error)) from None
    return {"experiment_id": experiment.wire_id}


@needs(Scope.READ)
def get(request: MachineRequest) -> dict[str, Any]:
    """One by its id, deleted ones too."""
    wire_id = Message.from_address(request).text("experiment_id")
    return {"experiment": encode(experiment_of(request.caller, wire_id))}


@needs(Scope.READ)
def get_by_name(request: MachineRequest) -> dict[str, Any]:
    """One by its name, deleted ones too."""
    name = Message.from_address(request).text("experiment_name", longest=1000)
    if name == experiment_service.DEFAULT_NAME:
        experiment_service.default_experiment(team=request.caller.team)
    experiment = Experiment.objects.filter(team=request.caller.team, name=name).first()
    if experiment is None:
        raise NotThereError(f"Could not find experiment with name '{name}'")
    return {"experiment": encode(experiment)}


@needs(Scope.WRITE_TRACES)
def update(request: MachineRequest) -> dict[str, Any]:
    """Rename one; its team's leads may."""
    body = Message.from_body(request)
    experiment = experiment_of(request.caller, body.text("experiment_id"), for_writing=True)
    require_role(request.caller.user, request.caller.team.pk, Role.LEAD)
    if "new_name" in body:
        try:
            experiment_service.rename_experiment(
                actor=request.caller.user,
                experiment=experiment,
                name=body.text("new_name", longest=experiment_service.LONGEST_NAME),
            )
        except experiment_service.NameTakenError as error:
            raise AlreadyThereError(str(error)) from None
        except experiment_service.ExperimentError as error:
            raise InvalidRequestError(str(error)) from None
    return {}


@needs(Scope.WRITE_TRACES)
def delete(request: MachineRequest) -> dict[str, Any]:
    """Hide one; its team's leads may."""
    experiment = experiment_of(request.caller, Message.from_body(request).text("experiment_id"))
    require_role(request.caller.user, request.caller.team.pk, Role.LEAD)
    experiment_service.delete_experiment(actor=request.caller.user, experiment=experiment)
    return {}


@needs(Scope.WRITE_TRACES)
def restore(request: MachineRequest) -> dict[str, Any]:
    """Bring one back; its team's leads may."""
    experiment = experiment_of(request.caller, Message.from_body(request).text("experiment_id"))
    require_role(request.caller.user, request.caller.team.pk, Role.LEAD)
    experiment_service.restore_experiment(actor=request.caller.user, experiment=experiment)
    return {}


@needs(Scope.WRITE_TRACES)
def set_tag(request: MachineRequest) -> dict[str, Any]:
    """Attach a tag, in place of the one with its key."""
    body = Message.from_body(request)
    experiment = experiment_of(request.caller, body.text("experiment_id"), for_writing=True)
    try:
        experiment_service.set_tag(
            actor=request.caller.user,
            experiment=experiment,
            key=body.text("key"),
            value=body.text("value", longest=LONGEST_TAG, default=""),
        )
    except experiment_service.ExperimentError as error:
        raise InvalidRequestError(str(error)) from None
    return {}


@needs(Scope.WRITE_TRACES)
def delete_tag(request: MachineRequest) -> dict[str, Any]:
    """Take a tag off."""
    body = Message.from_body(request)
    experiment = experiment_of(request.caller, body.text("experiment_id"), for_writing=True)
    key = body.text("key")
    if not experiment_service.delete_tag(actor=request.caller.user, experiment=experiment, key=key):
        raise NotThereError(f"No tag with name: {key} in experiment {experiment.wire_id}")
    return {}


def encode(experiment: Experiment) -> dict[str, Any]:
    """The experiment in MLflow's words; here tags are a list."""
    return {
        "experiment_id": experiment.wire_id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location
        or f"mlflow-artifacts:/{experiment.wire_id}",
        "lifecycle_stage": "active" if experiment.deleted_at is None else "deleted",
        "creation_time": int(experiment.created_at.timestamp() * 1000),
        "last_update_time": int(experiment.updated_at.timestamp() * 1000),
        "tags": [
            {"key": tag.key, "value": tag.value}
            for tag in sorted(experiment.tags.all(), key=lambda tag: tag.key)
        ],
    }
