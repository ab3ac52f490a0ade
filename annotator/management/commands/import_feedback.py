"""`manage.py import_feedback FILE --experiment NAME`."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotator.ingest.feedback_file import FeedbackFile
from annotator.ingest.lines import UnreadableFileError
from annotator.management.common import (
    counted,
    find_experiment,
    find_judge,
    name_mapping,
    open_file,
    show_refusals,
    with_progress,
)
from annotator.services.imports import DEFAULT_SOURCE_ID, import_feedback


class Command(BaseCommand):
    """People's answers from a CSV or JSON Lines file, such as ground truth."""

    help = (
        "Import feedback from a CSV or JSON Lines file with trace_id, value (or label), and if you like name, "
        "rationale, source_id. Safe to repeat: a changed answer corrects the earlier one of the same source. Exit code "
        "1 when a line was refused; the others are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a CSV or JSON Lines file in UTF-8")
        parser.add_argument("--experiment", required=True, help="where the traces are")
        parser.add_argument(
            "--team", help="the experiment's team, where several have one of that name"
        )
        parser.add_argument(
            "--judge", metavar="NAME", help="the judge, where the file does not name it"
        )
        parser.add_argument(
            "--source-id",
            default=DEFAULT_SOURCE_ID,
            help="who gave the answers, where the file does not say (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, store nothing")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            type=name_mapping,
            metavar="NAME=JUDGE",
            help="a name in the file and the judge's name that it stands for; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry = options["dry_run"]
        experiment = find_experiment(options["experiment"], options["team"])
        judge = find_judge(experiment, options["judge"]) if options["judge"] else None
        source_id = options["source_id"].strip()
        if not 0 < len(source_id) <= 250:
            raise CommandError("A source id has 1 to 250 characters.")
        with (
            open_file(options["file"]) as stream,
            transaction.atomic() if is_dry else nullcontext(),
        ):
            file = FeedbackFile(stream)
            try:
                report = import_feedback(
                    experiment=experiment,
                    records=with_progress(file, stream, self.stderr),
                    judge=judge,
                    source_id=source_id,
                    name_map=dict(options["map"]),
                )
            except UnreadableFileError as error:
                raise CommandError(f"{options['file']}: {error}") from None
            if is_dry:
                transaction.set_rollback(True)
        show_refusals(report.refused, self.stderr)
        if file.ignored:
            self.stderr.write(f"Not read: {', '.join(sorted(file.ignored)[:20])}.", style_func=str)
        if is_dry:
            self.stdout.write("Nothing was stored (dry run). An import would give:")
        stored = report.assessments
        self.stdout.write(
            f"{counted(stored.new, 'new answer')}, {stored.corrected:,} corrected, {stored.unchanged:,} unchanged."
        )
        self.stdout.write(f"{counted(report.labels, 'label')} made or changed.")
        if report.refused:
            raise CommandError(
                f"{counted(len(report.refused), 'line')} refused; all others are kept."
            )
