"""`manage.py align JUDGE --experiment NAME`."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotator.management.common import find_experiment, find_judge, seed
from annotator.models import AlignmentRun, WorkStatus
from annotator.services.runs import RunError, start_run
from judges.errors import NotEnoughFeedbackError

POLL_S = 0.5


class Command(BaseCommand):
    """An alignment run, started now and watched to its end."""

    help = (
        "Start an alignment run of a judge, as an admin does by hand, and wait for it. The workers do it; the command "
        "shows its stages. Exit code 1 when it cannot start or fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("judge", help="the judge's name")
        parser.add_argument("--experiment", required=True)
        parser.add_argument(
            "--team", help="the experiment's team, where several have one of that name"
        )
        parser.add_argument("--optimizer", default="", help="instead of the judge's own")
        parser.add_argument(
            "--model", default="", help="the model that improves the instructions, provider:/model"
        )
        parser.add_argument("--seed", type=seed, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        judge = find_judge(
            find_experiment(options["experiment"], options["team"]), options["judge"]
        )
        try:
            run = start_run(
                actor=None,
                judge=judge,
                optimizer=options["optimizer"],
                model=options["model"],
                seed=options["seed"],
            )
        except (RunError, NotEnoughFeedbackError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Run {run.pk} of {judge.name} with {run.optimizer}.")
        self._watch(run)
        if run.status != WorkStatus.SUCCEEDED:
            raise CommandError(
                f"The run did not finish: {run.error_text or WorkStatus(run.status).label}"
            )
        outcome = AlignmentRun.Outcome(run.outcome).label if run.outcome else "No candidate"
        self.stdout.write(f"{outcome}. {run.outcome_reason}".strip())
        if run.candidate is not None and run.decision == AlignmentRun.Decision.PROMOTED:
            self.stdout.write(f"Version {run.candidate.number} is now in use.")
        elif run.candidate is not None and run.decision == AlignmentRun.Decision.OPEN:
            self.stdout.write(
                f"Version {run.candidate.number} waits for an admin to promote or reject it."
            )

    def _watch(self, run: AlignmentRun) -> None:
        told: set[tuple[str, bool]] = set()
        while True:
            run.refresh_from_db(
                fields=[
                    "status",
                    "stages",
                    "outcome",
                    "outcome_reason",
                    "candidate",
                    "decision",
                    "error_text",
                ]
            )
            for stage in run.stages:
                is_over = bool(stage.get("finished_at"))
                if (stage["name"], is_over) not in told:
                    told.add((stage["name"], is_over))
                    result = stage.get("result") or "done"
                    self.stdout.write(f"{stage['name']}: {result if is_over else 'started'}")
            if not run.is_live:
                return
            time.sleep(POLL_S)
