"""`manage.py run_judge JUDGE --experiment NAME [--limit N] [--wait]`."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotator.management.common import counted, find_experiment, find_judge, positive
from annotator.models import JudgeJob, WorkStatus
from annotator.services.jobs import JobError, JobProgress, job_progress, start_job

POLL_S = 0.5


class Command(BaseCommand):
    """A judge over the traces of its experiment, as a job that the workers do."""

    help = (
        "Run the current version of a judge over the traces of its experiment. The workers do it; with --wait the "
        "command shows how far they are and ends with them. Exit code 1 when a trace got no verdict."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("judge", help="the judge's name")
        parser.add_argument("--experiment", required=True)
        parser.add_argument(
            "--team", help="the experiment's team, where several have one of that name"
        )
        parser.add_argument("--limit", type=positive, metavar="N", help="only the N newest traces")
        parser.add_argument("--wait", action="store_true", help="wait until it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        experiment = find_experiment(options["experiment"], options["team"])
        judge = find_judge(experiment, options["judge"])
        version = judge.current_version
        if version is None or not version.model:
            raise CommandError(
                f"The judge “{judge.name}” has no model yet; edit it on its page and name one."
            )
        traces = experiment.traces.newest_first().values_list("pk", flat=True)
        limit = options["limit"]
        try:
            job = start_job(
                actor=None,
                version=version,
                traces=list(traces[:limit]),
                selection=f"the {counted(limit, 'newest trace')}" if limit else "all traces",
            )
        except JobError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Job {job.pk}: version {version.number} of {judge.name} over {counted(job.total, 'trace')}."
        )
        if options["wait"]:
            self._wait(job)

    def _wait(self, job: JudgeJob) -> None:
        shown: tuple[int, int] | None = None
        while True:
            progress = job_progress(job)
            if shown != (progress.done, progress.failed):
                shown = (progress.done, progress.failed)
                self.stdout.write(
                    f"{progress.done:,} of {progress.total:,} done, {progress.failed:,} failed."
                )
            if not progress.is_live:
                break
            time.sleep(POLL_S)
        self._finish(progress)

    def _finish(self, progress: JobProgress) -> None:
        cost = "" if progress.cost is None else f", {progress.cost:.4f} US dollars"
        self.stdout.write(
            f"{counted(progress.calls, 'call')}, {counted(progress.tokens, 'token')}{cost}."
        )
        for failure in progress.failures:
            self.stderr.write(f"{failure['trace_id']}: {failure['error']}")
        if progress.status != WorkStatus.SUCCEEDED:
            reason = progress.error or WorkStatus(progress.status).label
            raise CommandError(f"The job did not finish: {reason}")
        if progress.failed:
            raise CommandError(
                f"{counted(progress.failed, 'trace')} got no verdict; run it again for them."
            )
