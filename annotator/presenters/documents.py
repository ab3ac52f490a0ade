"""Documents that an application looked up: in steps of retrievers, in results of tools, in what went in or came out.

Libraries name the same things differently, so every function here takes any JSON and finds documents or none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 50
LONG = 700
_CUT = 420
_TEXTS = ("page_content", "content", "text", "chunk", "snippet", "body", "passage")
_TITLES = ("title", "name", "file_name", "filename", "heading")
_SOURCES = ("url", "uri", "doc_uri", "source", "link", "file_path", "path", "id", "doc_id")
_SCORES = ("score", "relevance_score", "similarity", "relevance", "distance")
# What a list of documents may be wrapped in, as vector stores and search services answer.
_LISTS = (
    "documents",
    "retrieved_documents",
    "docs",
    "results",
    "matches",
    "hits",
    "nodes",
    "chunks",
)
_QUERIES = ("query", "question", "input", "search_query", "q")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One of the documents; `rest` is what of a long text is folded away."""

    title: str = ""
    source: str = ""
    score_name: str = ""
    score: str = ""
    text: str
    rest: str = ""

    @property
    def is_link(self) -> bool:
        """Whether the source is an address to open."""
        return self.source.startswith(("https://", "http://"))


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """A step that looked documents up, in the order in which it found them."""

    name: str
    span_id: str
    query: str
    documents: tuple[Document, ...]
    more: int = 0


def documents_of(data: Any) -> tuple[Document, ...]:
    """The documents, when the data is a list of nothing else; anything that may be another thing is none."""
    items = data if isinstance(data, list) else []
    if not items or not all(_looks_like_one(item) for item in items):
        return ()
    return tuple(_document(item) for item in items[:MOST_SHOWN])


def retrieval_of(*, name: str, span_id: str, inputs: Any, outputs: Any) -> Retrieval | None:
    """What a retriever's step found; None when no documents can be made out in it."""
    items = _found(outputs)
    documents = tuple(
        _document({"text": item} if isinstance(item, str) else item)
        for item in items[:MOST_SHOWN]
        if (isinstance(item, str) and item.strip()) or _text(item)
    )
    if not documents:
        return None
    return Retrieval(
        name=name,
        span_id=span_id,
        query=_query(inputs),
        documents=documents,
        more=max(0, len(items) - MOST_SHOWN),
    )


def retrievals_of(steps: Iterable[Retrieval | None]) -> tuple[Retrieval, ...]:
    """Those that found something. A step around another one often gives the same back; it is shown once."""
    found: list[Retrieval] = []
    for step in steps:
        if step and all(step.documents != other.documents for other in found):
            found.append(step)
    return tuple(found)


def _found(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        outputs = next(
            (outputs[name] for name in _LISTS if isinstance(outputs.get(name), list)), None
        )
    return outputs if isinstance(outputs, list) else []


def _looks_like_one(item: Any) -> bool:
    if not isinstance(item, dict) or "role" in item or not _text(item):
        return False
    if "page_content" in item or _inner(item) is not item:
        return True
    known = (*_TITLES, *_SOURCES, *_SCORES)
    return bool(_metadata(item)) or any(name in item for name in known)


def _inner(item: dict[str, Any]) -> dict[str, Any]:
    """The document itself, where a score and the document stand side by side."""
    return next(
        (item[name] for name in ("document", "node") if isinstance(item.get(name), dict)), item
    )


def _text(item: Any) -> str:
    return _first(_inner(item), _TEXTS) if isinstance(item, dict) else ""


def _document(item: dict[str, Any]) -> Document:
    inner = _inner(item)
    around = [item, inner, _metadata(inner)]
    text = _text(item).strip()
    cut = _end_of_beginning(text)
    title = next(filter(None, (_first(each, _TITLES) for each in around)), "")
    source = next(filter(None, (_first(each, _SOURCES) for each in reversed(around))), "")
    score_name, score = next(filter(None, (_score(each) for each in around)), ("", ""))
    return Document(
        title=title,
        source="" if source == title else source,
        score_name=score_name,
        score=score,
        text=text[:cut],
        rest=text[cut:].lstrip("\n"),
    )


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    metadata = item.get("metadata")
    if isinstance(metadata, str):  # OpenInference writes it as JSON
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError):
            return {}
    return metadata if isinstance(metadata, dict) else {}


def _first(item: dict[str, Any], names: Iterable[str]) -> str:
    values = (item.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _score(item: dict[str, Any]) -> tuple[str, str] | None:
    for name in _SCORES:
        value = item.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return name.replace("_", " "), f"{value:.3g}"
    return None


def _query(inputs: Any) -> str:
    if isinstance(inputs, dict):
        return _first(inputs, _QUERIES)
    return inputs if isinstance(inputs, str) else ""


def _end_of_beginning(text: str) -> int:
    """Where a long text is folded: after a paragraph, a line or a word."""
    if len(text) <= LONG:
        return len(text)
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, _CUT // 2, _CUT)
        if at > 0:
            return at
    return _CUT
