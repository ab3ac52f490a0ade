"""What a judge version has learnt beside its instructions, and what that costs with every verdict."""

from __future__ import annotations

from dataclasses import dataclass

from annotator.models import JudgeVersion
from annotator.presenters.words import count
from judges.memory import Guideline

SHOWN_SOURCES = 5


@dataclass(frozen=True, kw_only=True)
class GuidelineRow:
    """A guideline with the traces it comes from, the first few and how many more."""

    text: str
    sources: tuple[str, ...]
    more: int


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The memory and the calibration of a version, in words."""

    guidelines: tuple[GuidelineRow, ...]
    contradictions: tuple[str, ...]
    examples: str
    calibration: tuple[str, ...]
    price: str


def learnt(version: JudgeVersion) -> Learnt | None:
    """What the version carries; None when its instructions are all there is."""
    memory, calibration = version.memory, version.calibration
    if memory is None and calibration is None:
        return None
    examples = price = ""
    if memory is not None and memory.recalls:
        by = f"by embeddings of {memory.embedding_model}" if memory.embedding_model else "by words"
        examples = (
            f"Each case is judged beside the {memory.shown} most similar of {count(len(memory.examples), 'case')} "
            f"that experts have judged, found {by}; never beside itself."
        )
    if memory is not None:
        extra = ", and one embedding call" if memory.recalls and memory.embedding_model else ""
        price = f"Every verdict takes about {memory.tokens_per_verdict:,} more tokens{extra}."
    return Learnt(
        guidelines=tuple(_row(each) for each in memory.guidelines) if memory else (),
        contradictions=memory.contradictions if memory else (),
        examples=examples,
        calibration=calibration.sentences if calibration else (),
        price=price,
    )


def _row(guideline: Guideline) -> GuidelineRow:
    return GuidelineRow(
        text=guideline.text,
        sources=guideline.sources[:SHOWN_SOURCES],
        more=max(0, len(guideline.sources) - SHOWN_SOURCES),
    )
