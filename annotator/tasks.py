"""Celery's entry points. Each takes a primary key and calls one service; each may run twice without harm.

A message is only a hint to look at a row: what is lost with a worker is found again by `reconcile`.
"""

from __future__ import annotations

from celery import shared_task


@shared_task(ignore_result=True)
def execute_run(run_pk: int) -> None:
    """Do an alignment run."""
    from annotator.services import execution

    execution.execute_run(run_pk)


@shared_task(ignore_result=True)
def start_run_if_due(judge_pk: int) -> None:
    """Start an alignment run when the judge's feedback suffices and its policy is automatic."""
    from annotator.services import runs

    runs.start_run_if_due(judge_pk)


@shared_task(ignore_result=True)
def execute_shard(shard_pk: int) -> None:
    """Judge the traces of a shard."""
    from annotator.services import jobs

    jobs.execute_shard(shard_pk)


@shared_task(ignore_result=True)
def execute_trial(trial_pk: int) -> None:
    """Try a judge on a few traces."""
    from annotator.services import trials

    trials.execute_trial(trial_pk)


@shared_task(ignore_result=True, expires=30)
def reconcile() -> None:
    """Take up again what a dead worker left, and what a lost message would have started."""
    from annotator.services import reconciliation

    reconciliation.reconcile()


@shared_task(ignore_result=True, expires=30)
def tend_sessions() -> None:
    """Move sessions on in time, free what was held and went silent, make the sessions that rules ask for, tell people."""
    from annotator.services import session_clock

    session_clock.tick()


@shared_task(ignore_result=True, expires=600)
def watch_drift() -> None:
    """Look at every judge in use for signs that it does not agree with the experts any more."""
    from annotator.services import drift

    drift.look_at_all()


@shared_task(ignore_result=True, expires=30)
def judge_what_came() -> None:
    """Have judges judge the traces that came since the last look, where that is wanted."""
    from annotator.services import new_traces

    new_traces.judge_what_came()
