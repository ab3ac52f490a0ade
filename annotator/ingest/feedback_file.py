"""Files of feedback: JSON Lines, or CSV as spreadsheets write it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

from annotator.ingest.jsonl import EXPORTED_ONLY, decode_feedback, feedback_record
from annotator.ingest.lines import FormatError, UnreadableFileError, text_lines
from annotator.records import FeedbackRecord, Refusal

COLUMNS = (
    "trace_id",
    "name",
    "value",
    "label",
    "rationale",
    "source_id",
    "declined_reason",
    "span_id",
    "created_at",
)

_DELIMITERS = ",;\t"
# A spreadsheet takes a cell that starts so for a formula, unless it is a plain number.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def neutralised(cell: object) -> str:
    """A CSV cell that no spreadsheet computes: what looks like a formula gets a quote in front, numbers stay."""
    text = "" if cell is None else str(cell)
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def plain(cell: str) -> str:
    """The inverse of `neutralised`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


class FeedbackFile:
    """The feedback of a file, line by line; `ignored` then names the columns or keys that nobody read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.ignored: set[str] = set()
        self._stream = stream

    def __iter__(self) -> Iterator[FeedbackRecord | Refusal]:
        """The records and refusals.

        Raises:
            UnreadableFileError: when the file as a whole cannot be read.
        """
        if not self._stream.seekable():
            raise UnreadableFileError(
                "It is a pipe and must be read twice; save it as a file first."
            )
        lines = text_lines(self._stream)
        first = next(lines, None)
        if first is None:
            raise UnreadableFileError("The file holds nothing but blank lines.")
        _, text = first
        rest = chain([first], lines)
        if isinstance(text, str) and text.startswith(("{", "[")):
            return self._json_lines(rest)
        return self._csv()

    def _json_lines(
        self, lines: Iterator[tuple[int, str | Refusal]]
    ) -> Iterator[FeedbackRecord | Refusal]:
        for number, text in lines:
            if isinstance(text, Refusal):
                yield text
                continue
            try:
                yield decode_feedback(text, line=number, ignored=self.ignored)
            except FormatError as error:
                yield error.at(number)

    def _csv(self) -> Iterator[FeedbackRecord | Refusal]:
        self._stream.seek(0)
        rows = _Rows(self._stream)
        header = [column.strip().casefold() for column in rows.header]
        _check_header(header)
        self.ignored.update(
            column for column in header if column and column not in EXPORTED_ONLY.union(COLUMNS)
        )
        for line, cells in rows:
            if isinstance(cells, Refusal):
                yield cells
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                reason = (
                    f"The row has {len(cells)} cells, the header {len(header)}; put texts that hold the "
                    "separator between double quotes."
                )
                yield Refusal(line=line, field="", reason=reason)
                continue
            data: dict[str, Any] = {
                column: plain(cell)
                for column, cell in zip(header, cells, strict=False)
                if column in COLUMNS
            }
            try:
                yield feedback_record(data, line=line)
            except FormatError as error:
                yield error.at(line)


class _Rows:
    """The rows of a CSV file with the number of the line each begins on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = self._decoded(stream)
        first = next((line for line in self._lines if line.strip()), "")
        delimiter = max(_DELIMITERS, key=first.count)
        self._reader = csv.reader(chain([first], self._lines), delimiter=delimiter)
        self.header: list[str] = next(self._reader, [])

    def __iter__(self) -> Iterator[tuple[int, list[str] | Refusal]]:
        while True:
            line = self._line + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                reason = (
                    f"A cell is longer than {csv.field_size_limit():,} characters; shorten it, or close its "
                    "double quote."
                )
                yield line, Refusal(line=line, field="", reason=reason)
                continue
            yield line, cells

    def _decoded(self, stream: BinaryIO) -> Iterator[str]:
        self._line = 0
        for raw in stream:
            self._line += 1
            try:
                yield raw.decode("utf-8-sig" if self._line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UnreadableFileError(
                    f"Byte {error.start + 1} of line {self._line} is not UTF-8; save the file as UTF-8."
                ) from None


def _check_header(header: list[str]) -> None:
    wanted = "the first line must name the columns: trace_id, value, and if you like name, rationale, source_id"
    if "trace_id" not in header:
        raise UnreadableFileError(f"There is no column “trace_id”; {wanted}.")
    if not {"value", "label"} & set(header):
        raise UnreadableFileError(f"There is no column “value” or “label”; {wanted}.")
    twice = sorted({column for column in header if column in COLUMNS and header.count(column) > 1})
    if twice:
        raise UnreadableFileError(f"The column “{twice[0]}” is there twice; keep one.")
