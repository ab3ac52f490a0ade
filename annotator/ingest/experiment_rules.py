"""Which experiment a program means."""

from __future__ import annotations

from annotator.ingest.errors import InvalidRequestError, NotThereError
from annotator.models import Experiment
from annotator.services.experiments import default_experiment
from annotator.services.tokens import Caller

DEFAULT_ID = "0"
_LARGEST_ID = 2**31 - 1  # the scorer message carries it as int32


def experiment_of(caller: Caller, wire_id: str, *, for_writing: bool = False) -> Experiment:
    """The experiment with that id in the caller's team; "0" is the team's default one, made on demand.

    Raises:
        NotThereError: when there is none, or it is another team's.
        InvalidRequestError: when it is deleted and is to be written to.
    """
    if wire_id == DEFAULT_ID:
        experiment = default_experiment(team=caller.team)
    else:
        found = Experiment.objects.filter(team=caller.team, pk=number_of(wire_id)).first()
        if found is None:
            raise NotThereError(f"No Experiment with id={wire_id[:50]} exists")
        experiment = found
    experiment.team = caller.team  # no second query for what is known
    if for_writing and experiment.deleted_at is not None:
        raise InvalidRequestError(
            f"The experiment “{experiment.name}” is deleted; restore it or choose another one."
        )
    return experiment


def written_experiment(caller: Caller, wire_id: str) -> Experiment:
    """The experiment with that id, to be written to; programs send to one over and over, so it is remembered a moment.

    Raises:
        ApiError: as `experiment_of` does.
    """
    known = caller.experiments.get(wire_id)
    if known is None:
        known = experiment_of(caller, wire_id, for_writing=True)
        caller.experiments[wire_id] = known
    return known


def experiments_of(caller: Caller, wire_ids: list[str]) -> list[Experiment]:
    """Those of the ids that are experiments of the caller's team, deleted ones left out; unknown ids find nothing."""
    pks = {number_of(wire_id) for wire_id in wire_ids if wire_id != DEFAULT_ID}
    found = list(Experiment.objects.filter(team=caller.team, pk__in=pks, deleted_at=None))
    if DEFAULT_ID in wire_ids:
        found += Experiment.objects.filter(team=caller.team, is_default=True, deleted_at=None)
    return list({experiment.pk: experiment for experiment in found}.values())


def number_of(wire_id: str) -> int:
    """The number in an id; -1, which no row has, for anything else."""
    is_number = wire_id.isascii() and wire_id.isdigit() and len(wire_id) <= 10
    return int(wire_id) if is_number and int(wire_id) <= _LARGEST_ID else -1
