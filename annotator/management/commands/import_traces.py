"""`manage.py import_traces FILE --experiment NAME`."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotator.ingest.jsonl import decode_traces
from annotator.ingest.lines import UnreadableFileError
from annotator.management.common import (
    counted,
    find_or_create_experiment,
    name_mapping,
    open_file,
    show_refusals,
    with_progress,
)
from annotator.services.imports import DEFAULT_ADJUDICATOR, import_traces


class Command(BaseCommand):
    """Traces from a JSON Lines file, with what people and judges said of them."""

    help = (
        "Import traces from a JSON Lines file, one trace a line. Safe to repeat: what is known is not stored twice, "
        "and a changed answer corrects the earlier one. Exit code 1 when a line was refused; the others are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a JSON Lines file in UTF-8")
        parser.add_argument(
            "--experiment", required=True, help="where the traces go; made when missing"
        )
        parser.add_argument("--team", help="the experiment's team; the first one when not given")
        parser.add_argument("--dry-run", action="store_true", help="check and count, store nothing")
        parser.add_argument(
            "--adjudicator",
            default=DEFAULT_ADJUDICATOR,
            metavar="SOURCE_ID",
            help="the person whose answers settle the labels alone (default: %(default)s)",
        )
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
        with (
            open_file(options["file"]) as stream,
            transaction.atomic() if is_dry else nullcontext(),
        ):
            try:
                report = import_traces(
                    experiment=find_or_create_experiment(options["experiment"], options["team"]),
                    records=with_progress(decode_traces(stream), stream, self.stderr),
                    adjudicator=options["adjudicator"],
                    name_map=dict(options["map"]),
                )
            except UnreadableFileError as error:
                raise CommandError(f"{options['file']}: {error}") from None
            if is_dry:
                transaction.set_rollback(True)
        show_refusals(report.refused, self.stderr)
        if is_dry:
            self.stdout.write("Nothing was stored (dry run). An import would give:")
        self.stdout.write(
            f"{counted(report.new, 'new trace')}, {report.updated:,} updated, {report.unchanged:,} unchanged."
        )
        stored = report.assessments
        self.stdout.write(
            f"{counted(stored.new, 'new assessment')}, {stored.corrected:,} corrected, "
            f"{stored.unchanged:,} unchanged."
        )
        if report.judges:
            self.stdout.write(
                f"{counted(len(report.judges), 'judge')} drafted: {', '.join(report.judges)}. Give each a model and "
                "instructions on its page before it judges."
            )
        self.stdout.write(f"{counted(report.labels, 'label')} made or changed.")
        if report.refused:
            raise CommandError(
                f"{counted(len(report.refused), 'line')} refused; all others are kept."
            )
