"""`manage.py align JUDGE --experiment NAME`, and `manage.py align --repeat RUN`."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alignment.estimates import Budget
from annotator.management.common import find_experiment, find_judge, seed
from annotator.models import AlignmentRun, WorkStatus
from annotator.services.runs import RunError, repeat_run, start_run
from judges.errors import NotEnoughFeedbackError

POLL_S = 0.5


class Command(BaseCommand):
    """An alignment run, started now and watched to its end."""

    help = (
        "Start an alignment run of a judge, as an admin does by hand, and wait for it. The workers do it; the command "
        "shows its stages. Exit code 1 when it cannot start or fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("judge", nargs="?", help="the judge's name")
        parser.add_argument("--experiment")
        parser.add_argument(
            "--team", help="the experiment's team, where several have one of that name"
        )
        parser.add_argument("--optimizer", default="", help="instead of the judge's own")
        parser.add_argument(
            "--model", default="", help="the model that improves the instructions, provider:/model"
        )
        parser.add_argument("--seed", type=seed, default=0)
        parser.add_argument("--max-calls", type=int, help="instead of the judge's own budget")
        parser.add_argument(
            "--max-cost", type=float, help="US dollars, instead of the judge's budget"
        )
        parser.add_argument(
            "--repeat",
            type=int,
            metavar="RUN",
            help="do this finished run once more with all that it had, and say whether the result is the same; "
            "nothing is promoted. With the demo model it must be; a real model may answer otherwise",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = (
                self._repeated(options["repeat"])
                if options["repeat"] is not None
                else self._started(options)
            )
        except (RunError, NotEnoughFeedbackError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Run {run.pk} of {run.judge.name} with {run.optimizer}.")
        self._watch(run)
        if run.status != WorkStatus.SUCCEEDED:
            raise CommandError(
                f"The run did not finish: {run.error_text or WorkStatus(run.status).label}"
            )
        if run.repeat_of_id:
            if not run.decision_reason.startswith("The same result"):
                raise CommandError(run.decision_reason)
            self.stdout.write(run.decision_reason)
            return
        outcome = AlignmentRun.Outcome(run.outcome).label if run.outcome else "No candidate"
        self.stdout.write(f"{outcome}. {run.outcome_reason}".strip())
        if run.candidate is not None and run.decision == AlignmentRun.Decision.PROMOTED:
            self.stdout.write(f"Version {run.candidate.number} is now in use.")
        elif run.candidate is not None and run.decision == AlignmentRun.Decision.OPEN:
            self.stdout.write(
                f"Version {run.candidate.number} waits for an admin to promote or reject it."
            )

    def _repeated(self, pk: int) -> AlignmentRun:
        run = AlignmentRun.objects.select_related("judge__experiment__team").filter(pk=pk).first()
        if run is None:
            raise CommandError(f"There is no run {pk}; the page “Runs” lists them.")
        return repeat_run(actor=None, run=run)

    def _started(self, options: dict[str, Any]) -> AlignmentRun:
        if not options["judge"] or not options["experiment"]:
            raise CommandError("Name a judge and --experiment, or a run to --repeat.")
        judge = find_judge(
            find_experiment(options["experiment"], options["team"]), options["judge"]
        )
        given = (options["max_calls"], options["max_cost"])
        return start_run(
            actor=None,
            judge=judge,
            optimizer=options["optimizer"],
            model=options["model"],
            seed=options["seed"],
            budget=None if given == (None, None) else Budget(calls=given[0], cost=given[1]),
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
                    "decision_reason",
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
