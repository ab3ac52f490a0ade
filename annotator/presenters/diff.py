"""Two texts side by side, changed words marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

# Above this many words a line is marked as a whole: comparing words takes the square of their number.
_MOST_WORDS = 2_000
# Lines less alike than this are shown as one gone and one come; marking every other word would only confuse.
_LEAST_ALIKE = 0.3


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A run of text within a line."""

    text: str
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class DiffRow:
    """A line of the old text and what stands in its place in the new one; a side may be empty."""

    old: tuple[Piece, ...] = ()
    new: tuple[Piece, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the two sides differ."""
        return self.old != self.new


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Two texts, line by line.

    Attributes:
        rows: Every line of both, in order.
        removed: How many words of the old text are gone.
        added: How many words of the new text are new.
    """

    rows: tuple[DiffRow, ...]
    removed: int
    added: int

    @property
    def same(self) -> bool:
        """Whether the texts are equal."""
        return not any(row.changed for row in self.rows)


def word_diff(old: str, new: str) -> Diff:
    """Compare line by line, and inside changed lines word by word."""
    old_lines, new_lines = old.splitlines(), new.splitlines()
    rows: list[DiffRow] = []
    matcher = SequenceMatcher(a=old_lines, b=new_lines, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            rows += [
                DiffRow(old=(Piece(text=line),), new=(Piece(text=line),))
                for line in old_lines[old_start:old_end]
            ]
        else:
            rows += _changed_block(old_lines[old_start:old_end], new_lines[new_start:new_end])
    return Diff(
        rows=tuple(rows),
        removed=sum(_changed_words(row.old) for row in rows),
        added=sum(_changed_words(row.new) for row in rows),
    )


def _changed_block(old: Sequence[str], new: Sequence[str]) -> list[DiffRow]:
    rows: list[DiffRow] = []
    for before, after in zip_longest(old, new):
        if before is None:
            rows.append(DiffRow(new=_whole(after)))
        elif after is None:
            rows.append(DiffRow(old=_whole(before)))
        else:
            rows += _changed_line(before, after)
    return rows


def _changed_line(old: str, new: str) -> list[DiffRow]:
    old_words, new_words = re.findall(r"\s+|[^\s]+", old), re.findall(r"\s+|[^\s]+", new)
    if max(len(old_words), len(new_words)) > _MOST_WORDS:
        return [DiffRow(old=_whole(old), new=_whole(new))]
    matcher = SequenceMatcher(a=old_words, b=new_words, autojunk=False)
    if matcher.ratio() < _LEAST_ALIKE:
        return [DiffRow(old=_whole(old), new=_whole(new))]
    before: list[Piece] = []
    after: list[Piece] = []
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        changed = tag != "equal"
        if old_end > old_start:
            before.append(Piece(text="".join(old_words[old_start:old_end]), changed=changed))
        if new_end > new_start:
            after.append(Piece(text="".join(new_words[new_start:new_end]), changed=changed))
    return [DiffRow(old=tuple(before), new=tuple(after))]


def _whole(line: str) -> tuple[Piece, ...]:
    return (Piece(text=line, changed=True),)


def _changed_words(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.text.split()) for piece in pieces if piece.changed)
