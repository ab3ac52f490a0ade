"""What the spans of a trace let us assume of the whole, whatever the order in which they come.

Each assumption is kept with the rank of the span behind it, and a span with a better rank replaces it: the smallest of a
set is the same in every order. Ranks are texts that compare as they should and end with the span's id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from annotator.records import SpanRecord

# Which step's inputs and outputs stand for the whole when the root has none, such as that of a web server.
_SPEAKING = {"AGENT": 2, "WORKFLOW": 3, "CHAIN": 3, "LLM": 5, "CHAT_MODEL": 5}
_OTHER = 7
_LATEST_NS = 2**63 - 1
# below every span's: what a client said of the whole is no assumption
_SAID = "!"
_ID_LENGTH = 16


class Content(NamedTuple):
    """The inputs and outputs of the step that speaks for the whole trace."""

    inputs: Any
    outputs: Any


def fold(guessed: dict[str, Any], spans: Iterable[SpanRecord]) -> Content | None:
    """Take spans into account.

    Args:
        guessed: What earlier spans said, empty at first; changed in place. `start` and `end` are nanoseconds; `root` is
            a rank and a state; `io` the rank of the step that speaks for the whole; `tags` and `metadata` hold a rank and
            a text for each key.

    Returns:
        The content of the whole, when one of these spans is the one that speaks for it.
    """
    content: Content | None = None
    for span in spans:
        guessed["start"] = min(guessed.get("start", span.start_ns), span.start_ns)
        guessed["end"] = max(guessed.get("end", 0), span.end_ns or span.start_ns)
        rank = _rank(_place(span), span.start_ns, span.span_id)
        if not span.parent_id or span.has_remote_parent:
            state = "IN_PROGRESS" if span.end_ns is None else "OK"
            if span.status == "ERROR":
                state = "ERROR"
            _take(guessed, "root", rank, state)
        if span.inputs is not None or span.outputs is not None:
            speaker = _speaker_rank(span)
            if _is_better(speaker, guessed.get("io", "")):
                guessed["io"] = speaker
                content = Content(span.inputs, span.outputs)
        for kind, entries in (("tags", span.tags), ("metadata", span.metadata)):
            for key, value in entries.items():
                _take(guessed.setdefault(kind, {}), key, rank, value)
    return content


def apply(entries: dict[str, str], before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """Tags or metadata with newer assumptions in them; what somebody has set or taken off stays so.

    Args:
        entries: What the trace has now.
        before: The assumptions that went into it.
        after: The assumptions now.
    """
    found = dict(entries)
    for key, (_, value) in after.items():
        assumed = before.get(key)
        is_untouched = key not in entries if assumed is None else entries.get(key) == assumed[1]
        if is_untouched:
            found[key] = value
    return found


def say(guessed: dict[str, Any], kind: str, entries: dict[str, str]) -> None:
    """Note that a client said this itself, so that no span's assumption ever replaces it."""
    kept = guessed.setdefault(kind, {})
    for key, value in entries.items():
        kept[key] = [_SAID, value]


def _take(kept: dict[str, Any], key: str, rank: str, value: str) -> None:
    known = kept.get(key)
    if known is None or _is_better(rank, known[0]):
        kept[key] = [rank, value]


def _is_better(rank: str, known: str) -> bool:
    # The same span sent again speaks for itself, whatever it said before.
    return not known or rank <= known or rank[-_ID_LENGTH:] == known[-_ID_LENGTH:]


def _place(span: SpanRecord) -> int:
    if not span.parent_id:
        return 0
    return 1 if span.has_remote_parent else 2


def _speaker_rank(span: SpanRecord) -> str:
    place = _place(span)
    if place < 2:
        return _rank(place, span.start_ns, span.span_id)
    importance = _SPEAKING.get(span.span_type, _OTHER)
    if importance == _SPEAKING["LLM"]:
        # of many calls to a model the last has the whole conversation and the final answer
        return _rank(importance, _LATEST_NS - (span.end_ns or 0), span.span_id)
    return _rank(importance, span.start_ns, span.span_id)


def _rank(place: int, time: int, span_id: str) -> str:
    return f"{place}{time:019d}{span_id}"
