"""Runs that programs record: begun, filled with figures, ended, and linked to traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from annotator.models import Experiment, ProgramRun, Trace, User
from annotator.models.program_runs import new_run_id
from annotator.services import log

NAME_TAG = "mlflow.runName"
MOST_ENTRIES = 5_000


class ProgramRunError(ValueError):
    """The run cannot take this."""


def begin_run(
    *,
    actor: User,
    experiment: Experiment,
    name: str = "",
    user_name: str = "",
    started_ms: int = 0,
    tags: Mapping[str, str] | None = None,
) -> ProgramRun:
    """A new run."""
    run_id = new_run_id()
    tags = dict(tags or {})
    name = (name or tags.get(NAME_TAG) or f"run-{run_id[:8]}")[:250]
    with transaction.atomic():
        run = ProgramRun.objects.create(
            experiment=experiment,
            run_id=run_id,
            name=name,
            user_name=user_name,
            started_ms=started_ms,
            tags={**tags, NAME_TAG: name},
        )
        log.record(actor=actor, action="began", target=run, team=experiment.team, name=name)
    return run


def update_run(
    *,
    actor: User,
    run: ProgramRun,
    status: str | None = None,
    ended_ms: int | None = None,
    name: str = "",
) -> ProgramRun:
    """Say how a run stands, or name it anew; what is not given stays."""
    with transaction.atomic():
        run = _locked(run)
        before = {"status": run.status, "name": run.name}
        run.status = status or run.status
        run.ended_ms = run.ended_ms if ended_ms is None else ended_ms
        if name:
            run.name, run.tags = name, {**run.tags, NAME_TAG: name}
        run.save(update_fields=["status", "ended_ms", "name", "tags"])
        after = {"status": run.status, "name": run.name}
        if before != after:
            log.record(
                actor=actor,
                action="updated",
                target=run,
                team=run.experiment.team,
                name=run.name,
                before=before,
                after=after,
            )
    return run


def log_to_run(
    *,
    run: ProgramRun,
    metrics: Sequence[tuple[str, dict[str, Any]]] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    inputs: Sequence[dict[str, Any]] = (),
) -> ProgramRun:
    """Add figures, parameters, tags and data sets. Of a metric the latest is kept; sending it again changes nothing.

    Args:
        metrics: `{"value", "timestamp", "step"}` by key, in the order they came.

    Raises:
        ProgramRunError: when a parameter has another value already, or there is very much.
    """
    with transaction.atomic():
        run = _locked(run)
        for key, metric in metrics:
            known = run.metrics.get(key)
            if known is None or _rank(metric) >= _rank(known):
                run.metrics[key] = metric
        for key, text in (params or {}).items():
            if run.params.setdefault(key, text) != text:
                raise ProgramRunError(
                    f"The parameter '{key}' was logged with another value; a parameter is written once."
                )
        run.tags.update(tags or {})
        run.inputs += [each for each in inputs if each not in run.inputs]
        for name in ("metrics", "params", "tags", "inputs"):
            if len(getattr(run, name)) > MOST_ENTRIES:
                raise ProgramRunError(f"A run has at most {MOST_ENTRIES:,} {name}.")
        run.name = (run.tags.get(NAME_TAG) or run.name)[:250]
        run.save(update_fields=["metrics", "params", "tags", "inputs", "name"])
    return run


def delete_run_tag(*, run: ProgramRun, key: str) -> bool:
    """Take a tag off; False when there was none."""
    with transaction.atomic():
        run = _locked(run)
        if key not in run.tags:
            return False
        del run.tags[key]
        run.save(update_fields=["tags"])
    return True


def link_traces(*, run: ProgramRun, traces: Sequence[Trace]) -> None:
    """Let the traces be found by the run. Doing it twice changes nothing."""
    run.traces.add(*traces)


def _locked(run: ProgramRun) -> ProgramRun:
    """The run as it is now, held until the transaction ends: ten threads may log to it at once."""
    ProgramRun.objects.select_for_update(no_key=True).values_list("pk").get(pk=run.pk)
    return ProgramRun.objects.select_related("experiment__team").get(pk=run.pk)


def _rank(metric: Mapping[str, Any]) -> tuple[int, int]:
    return metric["step"], metric["timestamp"]
