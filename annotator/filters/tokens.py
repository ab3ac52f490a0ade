"""The words of MLflow's filters: read one after the other, for whichever keys a search has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

LONGEST_FILTER = 10_000
MOST_VALUES = 500


class FilterError(ValueError):
    """The filter or order cannot be understood; the message says where and what is allowed."""


class Op(StrEnum):
    """How it is compared."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    RLIKE = "RLIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"[^"]*")
      | (?P<word>[A-Za-z_](?:[\w\-/:@$]|\.(?=[\w\-/:@$]))*)
      | (?P<op><=|>=|!=|=|<|>)
      | (?P<mark>[(),.])
      | (?P<ticks>`[^`]*`)
    )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word of a filter: a number, a text in quotes, a name, a comparison or a mark."""

    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, in any case."""
        return self.kind == "word" and self.text.upper() in words


def unquoted(token: Token) -> str:
    """The text between the quotes."""
    inner = token.text[1:-1]
    return inner.replace("''", "'") if token.kind == "text" else inner


class Reader:
    """The tokens of a filter, one after the other."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_FILTER:
            raise FilterError(f"The filter is longer than {LONGEST_FILTER:,} characters.")
        if re.search(r"[\x00\ud800-\udfff]", text):
            raise FilterError("The filter holds a NUL or half a character; take that out.")
        self._tokens = list(_tokens(text))
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all were read."""
        return self._position == len(self._tokens)

    def next(self, expected: str) -> Token:
        """The next one, which must be there."""
        if self.is_at_end:
            raise FilterError(f"The filter ends where {expected} should be.")
        self._position += 1
        return self._tokens[self._position - 1]

    def skip_mark(self, mark: str) -> bool:
        """Pass over this mark; False when something else is next."""
        return self._skip(lambda token: token.kind == "mark" and token.text == mark)

    def skip_word(self, word: str) -> bool:
        """Pass over this word; False when something else is next."""
        return self._skip(lambda token: token.is_word(word))

    def expect_word(self, word: str) -> None:
        """Pass over this word, which must be there."""
        if not self.skip_word(word):
            found = "the end" if self.is_at_end else f"“{self._tokens[self._position].text[:60]}”"
            raise FilterError(
                f"Expected {word}, not {found}. Conditions are joined by AND; there is no OR, no NOT and no parentheses."
            )

    def _skip(self, is_it: Callable[[Token], bool]) -> bool:
        if not self.is_at_end and is_it(self._tokens[self._position]):
            self._position += 1
            return True
        return False


def _tokens(text: str) -> Iterator[Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None or not found.lastgroup:
            rest = text[position:].lstrip()
            raise FilterError(f"The filter cannot be understood from “{rest[:60]}” on.")
        yield Token(kind=found.lastgroup, text=found[found.lastgroup])
        position = found.end()


def number_of(token: Token) -> int | float:
    """The number that was written; infinite when it is larger than any that can be kept."""
    is_whole = len(token.text) <= 20 and not re.search(r"[.eE]", token.text)
    return int(token.text) if is_whole else float(token.text)


def read_parts(reader: Reader) -> list[str]:
    """The parts of a key, such as `tags` and `a b` of tags.`a b`."""
    first = reader.next("a key such as status or tags.name")
    if first.kind not in ("word", "ticks"):
        raise FilterError(f"Expected a key such as status or tags.name, not “{first.text[:60]}”.")
    parts = [first.text.strip("`")] if first.kind == "ticks" else first.text.split(".")
    while reader.skip_mark("."):
        more = reader.next("the rest of a key")
        if more.kind not in ("word", "ticks", "quoted", "number"):
            raise FilterError(f"Expected the rest of a key, not “{more.text[:60]}”.")
        parts.append(more.text.strip('`"') if more.kind != "word" else more.text)
    return parts


def read_operator(reader: Reader) -> Op:
    """The comparison, of one word or more."""
    token = reader.next("a comparison such as =")
    if token.kind == "op":
        return Op(token.text)
    if token.is_word("LIKE", "ILIKE", "RLIKE", "IN"):
        return Op(token.text.upper())
    if token.is_word("NOT"):
        reader.expect_word("IN")
        return Op.NOT_IN
    if token.is_word("IS"):
        is_not = reader.skip_word("NOT")
        reader.expect_word("NULL")
        return Op.IS_NOT_NULL if is_not else Op.IS_NULL
    raise FilterError(f"Expected a comparison such as =, not “{token.text[:60]}”.")


def read_texts(reader: Reader) -> tuple[str, ...]:
    """The list of texts after IN."""
    if not reader.skip_mark("("):
        raise FilterError("IN wants a list in parentheses, such as ('OK', 'ERROR').")
    found: list[str] = []
    while True:
        token = reader.next("a value in quotes")
        if token.kind not in ("text", "quoted"):
            raise FilterError("IN wants values in quotes, such as ('OK', 'ERROR').")
        found.append(unquoted(token))
        if reader.skip_mark(")"):
            break
        if not reader.skip_mark(","):
            raise FilterError("IN wants commas between its values and a parenthesis at the end.")
    if len(found) > MOST_VALUES:
        raise FilterError(f"IN takes at most {MOST_VALUES} values.")
    return tuple(found)
