"""What a judge has learnt beside its instructions: guidelines, and labelled cases of which the nearest are shown.

A memory is frozen with the version that carries it: what people change later changes no version. The case under
judgement is never shown to the judge with its answer, whether it is the same trace or another one with the same text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from judges.values import Value

_WORD = re.compile(r"\w+")
_SATURATION, _LENGTH_WEIGHT = 1.5, 0.75  # BM25's k1 and b (Robertson and Zaragoza 2009)
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A case with its right verdict, shown to the judge in the prompt."""

    inputs: Any = None
    outputs: Any = None
    expectations: Any = None
    value: Value
    rationale: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "expectations": self.expectations,
            "value": self.value,
            "rationale": self.rationale,
        }


@dataclass(frozen=True, kw_only=True)
class Guideline:
    """A rule that experts' feedback taught, and the traces it comes from."""

    text: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryExample:
    """A case that experts have judged.

    Attributes:
        trace_id: The trace it was.
        text: The case as the judge is shown it, tags included; similar cases are found by it.
        value: The experts' answer.
        rationale: Their reason; may be empty.
        vector: Its embedding, of length 1; empty where a lexical index is used.
    """

    trace_id: str
    text: str
    value: Value
    rationale: str = ""
    vector: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a judge version has learnt beside its instructions.

    Attributes:
        guidelines: Shown with every case.
        contradictions: What the feedback behind the guidelines disagrees about, a sentence each; for people.
        examples: Cases with the experts' answers.
        shown: How many examples, the nearest ones, are shown with a case.
        embedding_model: Finds similar cases, `provider:/model`; empty uses a lexical index that needs no model.
    """

    guidelines: tuple[Guideline, ...] = ()
    contradictions: tuple[str, ...] = ()
    examples: tuple[MemoryExample, ...] = ()
    shown: int = 3
    embedding_model: str = ""

    @property
    def recalls(self) -> bool:
        """Whether examples are looked up for each case."""
        return bool(self.examples) and self.shown > 0

    @property
    def tokens_per_verdict(self) -> int:
        """About how many tokens it adds to the prompt of each verdict."""
        guidelines = sum(len(guideline.text) + 3 for guideline in self.guidelines)
        lengths = [len(example.text) + len(example.rationale) + 40 for example in self.examples]
        examples = self.shown * sum(lengths) / len(lengths) if self.recalls else 0
        return round((guidelines + examples) / _CHARACTERS_PER_TOKEN)

    def nearest(
        self, text: str, *, trace_id: str | None = None, vector: Sequence[float] = ()
    ) -> tuple[MemoryExample, ...]:
        """The examples most like a case, the nearest first, without the case itself.

        Args:
            text: The case as the judge is shown it.
            trace_id: The case's trace, if it has one.
            vector: The case's embedding, where the memory works with embeddings.
        """
        if not self.recalls:
            return ()
        scores = self._index.scores(text) if not self.embedding_model else self._cosines(vector)
        ranked = sorted(
            zip(scores, self.examples, strict=True), key=lambda item: (-item[0], item[1].trace_id)
        )
        others = [
            example
            for score, example in ranked
            if score > 0 and example.trace_id != trace_id and example.text != text
        ]
        return tuple(others[: self.shown])

    def _cosines(self, vector: Sequence[float]) -> list[float]:
        length = math.sqrt(sum(part * part for part in vector)) or 1.0
        return [
            sum(a * b for a, b in zip(vector, example.vector, strict=False)) / length
            for example in self.examples
        ]

    @cached_property
    def _index(self) -> _LexicalIndex:
        return _LexicalIndex([example.text for example in self.examples])

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "guidelines": [
                {"text": guideline.text, "sources": list(guideline.sources)}
                for guideline in self.guidelines
            ],
            "contradictions": list(self.contradictions),
            "examples": [
                {
                    "trace_id": example.trace_id,
                    "text": example.text,
                    "value": example.value,
                    "rationale": example.rationale,
                    "vector": list(example.vector),
                }
                for example in self.examples
            ],
            "shown": self.shown,
            "embedding_model": self.embedding_model,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Memory:
        """The inverse of `to_dict`."""
        return cls(
            guidelines=tuple(
                Guideline(text=item["text"], sources=tuple(item["sources"]))
                for item in data["guidelines"]
            ),
            contradictions=tuple(data["contradictions"]),
            examples=tuple(
                MemoryExample(**{**item, "vector": tuple(item["vector"])})
                for item in data["examples"]
            ),
            shown=data["shown"],
            embedding_model=data["embedding_model"],
        )


class _LexicalIndex:
    """BM25 over the words of texts (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter(_words(text)) for text in texts]
        lengths = [counts.total() for counts in self._counts]
        mean = sum(lengths) / len(lengths) or 1.0
        self._norms = [
            _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * length / mean)
            for length in lengths
        ]
        held_by = Counter(word for counts in self._counts for word in counts)
        n = len(texts)
        self._weights = {
            word: math.log(1 + (n - count + 0.5) / (count + 0.5)) for word, count in held_by.items()
        }

    def scores(self, text: str) -> list[float]:
        """How much each text has in common with this one; 0 for nothing."""
        words = [word for word in set(_words(text)) if word in self._weights]
        return [
            math.fsum(
                self._weights[word] * counts[word] * (_SATURATION + 1) / (counts[word] + norm)
                for word in words
                if word in counts
            )
            for counts, norm in zip(self._counts, self._norms, strict=True)
        ]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
