"""Memory: guidelines distilled from the feedback, and labelled cases of which the nearest are shown with each case.

It takes a handful of calls once and makes every verdict's prompt longer from then on; what that costs is said with the
version. What a version remembers is frozen in it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from alignment.base import LabelledOptimizer, check_whole_number
from alignment.events import RunContext
from alignment.guidelines import distil, most_calls
from alignment.labels import Example
from judges.calls import split_model
from judges.instructions import Case, InstructionsJudge
from judges.memory import Memory, MemoryExample
from judges.render import case_text

TEXTS_PER_CALL = 100  # as the gateway embeds them


class MemoryAlignmentOptimizer(LabelledOptimizer):
    """Gives a judge guidelines and labelled examples from the feedback.

    Args:
        model: Distils the guidelines; None means the judge's model.
        seed: Same traces, same seed, same answers: same result.
        guidelines: Most guidelines to keep; 0 for none.
        examples: How many of the most similar labelled cases each verdict is shown; 0 for none.
        embedding_model: Finds similar cases, as provider:/model. Empty compares words and needs no model.
    """

    title: ClassVar[str] = "Memory"
    version: ClassVar[str] = "1"
    logger: ClassVar[logging.Logger] = logging.getLogger("alignment.optimizers.memory")

    def __init__(
        self,
        model: str | None = None,
        *,
        seed: int = 0,
        guidelines: int = 12,
        examples: int = 3,
        embedding_model: str = "",
    ) -> None:
        super().__init__(model, seed=seed)
        check_whole_number("guidelines", guidelines, 0)
        check_whole_number("examples", examples, 0)
        if not guidelines and not examples:
            raise ValueError(
                "Keep some guidelines or show some examples; a memory of neither is none."
            )
        if embedding_model:
            split_model(embedding_model)
        self.guidelines = guidelines
        self.examples = examples
        self.embedding_model = embedding_model

    def estimate(self, n: int) -> int:
        """Most model calls that an alignment with n examples takes."""
        distilling = most_calls(n) if self.guidelines else 0
        embeds = self.examples and self.embedding_model
        return distilling + (math.ceil(n / TEXTS_PER_CALL) if embeds else 0)

    def propose(
        self, judge: InstructionsJudge, examples: Sequence[Example], context: RunContext
    ) -> Sequence[InstructionsJudge]:
        """The judge with its memory; behind it the one with guidelines alone, whose verdicts are cheaper."""
        memory = Memory(shown=self.examples, embedding_model=self.embedding_model)
        if self.guidelines:
            found = distil(
                judge,
                examples,
                context,
                model=self.model or judge.model,
                most=self.guidelines,
            )
            memory = replace(
                memory, guidelines=found.guidelines, contradictions=found.contradictions
            )
            self.note(context, f"{len(found.guidelines)} guidelines were distilled.")
            for text in found.contradictions:
                self.tell(context, f"The feedback contradicts itself: {text}")
        proposals = []
        if self.examples:
            remembered = remember(judge, examples, context, embedding_model=self.embedding_model)
            proposals.append(replace(memory, examples=remembered))
        if memory.guidelines:
            proposals.append(replace(memory, shown=0, embedding_model=""))
        return [replace(judge, memory=each) for each in proposals]


def remember(
    judge: InstructionsJudge,
    examples: Sequence[Example],
    context: RunContext,
    *,
    embedding_model: str,
) -> tuple[MemoryExample, ...]:
    """The examples as a memory keeps them.

    Raises:
        ProviderError, BudgetExceededError, Cancelled: as the gateway does.
    """
    texts = [case_text(judge, Case.from_trace(example.trace, judge)) for example in examples]
    vectors: Sequence[tuple[float, ...]] = [()] * len(texts)
    if embedding_model:
        found = judge.embed(embedding_model, texts, gateway=context.gateway)
        vectors = [_unit(vector) for vector in found]
    return tuple(
        MemoryExample(
            trace_id=example.trace.trace_id,
            text=text,
            value=example.value,
            rationale=example.rationale,
            vector=vector,
        )
        for example, text, vector in zip(examples, texts, vectors, strict=True)
    )


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.sqrt(sum(part * part for part in vector)) or 1.0
    return tuple(round(part / length, 6) for part in vector)
