"""`manage.py export_feedback --experiment NAME`."""

from __future__ import annotations

import csv
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import BaseCommand, CommandError

from annotator.ingest.feedback_file import neutralised
from annotator.ingest.jsonl import encode_line
from annotator.management.common import counted, find_experiment, find_judge
from annotator.services.exports import FEEDBACK_COLUMNS, feedback_rows


class _Out(Protocol):
    def write(self, text: str, /) -> object: ...


class Command(BaseCommand):
    """People's feedback as CSV or JSON Lines."""

    help = (
        "Export people's feedback with reviewer, guideline version, label, verdict and judge version, joined to the "
        "traces by trace_id. Spreadsheets do not take a cell of the CSV for a formula; JSON Lines can be imported again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--experiment", required=True)
        parser.add_argument(
            "--team", help="the experiment's team, where several have one of that name"
        )
        parser.add_argument("--judge", metavar="NAME", help="feedback of this judge only")
        parser.add_argument("--format", choices=["csv", "jsonl"], default="csv")
        parser.add_argument("--output", metavar="FILE", help="a file instead of standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        experiment = find_experiment(options["experiment"], options["team"])
        judge = find_judge(experiment, options["judge"]) if options["judge"] else None
        write = _write_csv if options["format"] == "csv" else _write_json_lines
        rows = feedback_rows(experiment=experiment, judge=judge)
        path = options["output"]
        if path is None:
            try:
                count = write(rows, self.stdout)
            except BrokenPipeError:
                # Whoever reads it, such as `head`, has enough; nothing may be written at exit either.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
        else:
            try:
                with Path(path).open("w", encoding="utf-8", newline="") as out:
                    count = write(rows, out)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise CommandError(f"“{path}” cannot be written: {reason}.") from None
        self.stderr.write(f"{counted(count, 'answer')} exported.", style_func=str)


def _write_csv(rows: Iterable[dict[str, Any]], out: _Out) -> int:
    writer = csv.writer(out)
    writer.writerow(FEEDBACK_COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([neutralised(_cell(row[column])) for column in FEEDBACK_COLUMNS])
        count += 1
    return count


def _write_json_lines(rows: Iterable[dict[str, Any]], out: _Out) -> int:
    count = 0
    for row in rows:
        out.write(encode_line(row))
        count += 1
    return count


def _cell(value: Any) -> Any:
    # As other programs write yes and no, and as an import reads it.
    return str(value).lower() if isinstance(value, bool) else value
