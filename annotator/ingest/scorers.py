"""Judges, as MLflow's client registers and fetches them."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import InvalidRequestError, NotThereError
from annotator.ingest.experiment_rules import experiment_of
from annotator.ingest.message import Message
from annotator.ingest.scorer_codec import LONGEST_SERIALIZED, decode, encode
from annotator.models import JudgeVersion, NewTraces, Scope
from annotator.services import new_traces
from annotator.services import scorers as service
from annotator.services.judge_checks import JudgeServiceError
from annotator.services.new_traces import LONGEST_FILTER

LONGEST_NAME = 250
MOST_IDS = 1000
_LARGEST_VERSION = 2**31 - 1


@needs(Scope.WRITE_JUDGES)
def register(request: MachineRequest) -> dict[str, Any]:
    """Make a judge or a version of one."""
    body = Message.from_body(request)
    experiment = experiment_of(request.caller, body.text("experiment_id"), for_writing=True)
    name = body.text("name", longest=LONGEST_NAME)
    draft = decode(body.text("serialized_scorer", longest=LONGEST_SERIALIZED), name=name)
    try:
        version = service.register_scorer(
            actor=request.caller.user, experiment=experiment, name=name, draft=draft
        )
    except JudgeServiceError as error:
        raise InvalidRequestError(str(error)) from None
    return {
        "version": service.wire_number(version),
        "scorer_id": service.scorer_id_of(version.judge),
        "experiment_id": experiment.wire_id,
        "name": name,
        "serialized_scorer": encode(version),
        "creation_time": _milliseconds(version),
    }


@needs(Scope.READ)
def list_all(request: MachineRequest) -> dict[str, Any]:
    """One version of each judge of an experiment."""
    query = Message.from_address(request)
    experiment = experiment_of(request.caller, query.text("experiment_id"))
    by_judge = groupby(service.registered_versions(experiment), key=lambda each: each.judge_id)
    found = [service.served_version(list(versions)) for _, versions in by_judge]
    return {"scorers": [_scorer(version, experiment.wire_id) for version in found]} if found else {}


@needs(Scope.READ)
def versions(request: MachineRequest) -> dict[str, Any]:
    """Every version of one judge, the first one first."""
    query = Message.from_address(request)
    wire_id, found = _versions(request, query)
    return {"scorers": [_scorer(version, wire_id) for version in found]}


@needs(Scope.READ)
def get(request: MachineRequest) -> dict[str, Any]:
    """One version of a judge; without a number, the one that serves."""
    query = Message.from_address(request)
    wire_id, found = _versions(request, query)
    number = query.integer("version", least=0, most=_LARGEST_VERSION)
    version = _numbered(found, number) if number else service.served_version(found)
    return {"scorer": _scorer(version, wire_id)}


@needs(Scope.WRITE_JUDGES)
def delete(request: MachineRequest) -> dict[str, Any]:
    """Delete one version, or all, as far as programs see them."""
    body = Message.from_body(request)
    _, found = _versions(request, body)
    number = body.integer("version", least=0, most=_LARGEST_VERSION)
    chosen = [_numbered(found, number)] if number else found
    judge = found[0].judge
    service.unregister_scorer(
        actor=request.caller.user,
        judge=judge,
        versions=chosen,
        is_all=len(chosen) == len(found),
    )
    return {}


@needs(Scope.READ)
def online_configs(request: MachineRequest) -> dict[str, Any]:
    """Which of the judges judge new traces by themselves, and how many of them."""
    wanted = set(Message.from_address(request).texts("scorer_ids", most=MOST_IDS))
    settings = NewTraces.objects.filter(judge__experiment__team=request.caller.team).select_related(
        "judge__experiment"
    )
    return {
        "configs": [
            _online_config(each) for each in settings if service.scorer_id_of(each.judge) in wanted
        ]
    }


@needs(Scope.WRITE_JUDGES)
def set_online_config(request: MachineRequest) -> dict[str, Any]:
    """Have a judge judge a share of the new traces by itself; a share of 0 ends it."""
    body = Message.from_body(request)
    _, found = _versions(request, body)
    share = body.share("sample_rate")
    try:
        setting = new_traces.judge_new_traces(
            actor=request.caller.user,
            judge=found[0].judge,
            share=share,
            filter=body.text("filter_string", longest=LONGEST_FILTER, default=""),
        )
    except new_traces.NewTracesError as error:
        field = {"share": "sample_rate", "filter": "filter_string"}[error.field]
        raise InvalidRequestError(f"{field}: {error}") from None
    return {"config": _online_config(setting)}


def _online_config(setting: NewTraces) -> dict[str, Any]:
    config = {
        "online_scoring_config_id": str(setting.pk),
        "scorer_id": service.scorer_id_of(setting.judge),
        "sample_rate": setting.share,
        "experiment_id": setting.judge.experiment.wire_id,
    }
    return {**config, "filter_string": setting.filter} if setting.filter else config


def _versions(request: MachineRequest, message: Message) -> tuple[str, list[JudgeVersion]]:
    experiment = experiment_of(request.caller, message.text("experiment_id"))
    name = message.text("name", longest=LONGEST_NAME)
    found = service.registered_versions(experiment, name=name)
    if not found:
        raise NotThereError(
            f"Scorer with name '{name}' not found for experiment {experiment.wire_id}."
        )
    found[0].judge.experiment = experiment
    return experiment.wire_id, found


def _numbered(found: list[JudgeVersion], number: int) -> JudgeVersion:
    for version in found:
        if service.wire_number(version) == number:
            return version
    raise NotThereError(f"Scorer with name '{found[0].judge.name}' has no version {number}.")


def _scorer(version: JudgeVersion, wire_id: str) -> dict[str, Any]:
    return {
        "experiment_id": int(wire_id),
        "scorer_name": version.judge.name,
        "scorer_version": service.wire_number(version),
        "serialized_scorer": encode(version),
        "creation_time": _milliseconds(version),
        "scorer_id": service.scorer_id_of(version.judge),
    }


def _milliseconds(version: JudgeVersion) -> int:
    return int(version.created_at.timestamp() * 1000)
