"""Criteria that the demo model can check: how it reads them in instructions and in people's comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from annotator.demo.vocabulary import VOCABULARY

MAX_WORDS, MIN_WORDS, ON_TOPIC, PHRASE = "max_words", "min_words", "on_topic", "phrase"
DEFAULT_MAX_WORDS, DEFAULT_MIN_WORDS = 80, 25
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        "the and for with that this what when where how does from have has had was were are you your our can could "
        "would will which there their they them not but about into any please hello still just get got its it's i'm",
    )
)


def _content_words(text: str) -> set[str]:
    return {
        word[:6]
        for word in re.findall(r"[a-z][a-z'-]{3,}", text.lower())
        if word not in _STOP_WORDS
    }


@dataclass(frozen=True, kw_only=True)
class JudgedText:
    """What is judged: the last answer, and what it answers."""

    answer: str
    question: str = ""
    expected: str = ""

    @property
    def word_count(self) -> int:
        """Words of the answer; marks of lists and tables are none."""
        return len(re.findall(r"\w[\w'\u2019.,/-]*", self.answer))

    @property
    def topic_share(self) -> float:
        """The share of the question's content words that come up in the answer, 0 to 1."""
        asked = _content_words(self.question)
        if not asked:
            return 1.0
        return len(asked & _content_words(self.answer)) / len(asked)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One checkable demand on an answer: a notion wanted or not, a number of words, the topic, a phrase."""

    notion: str
    is_wanted: bool = True
    limit: int = 0
    phrase: str = ""

    @property
    def subject(self) -> str:
        """What it is about: of two criteria on one subject the later one holds."""
        return f"{self.notion} {self.phrase}".strip()

    def is_met(self, text: JudgedText) -> bool:
        """Whether the answer does what is demanded."""
        if self.notion == MAX_WORDS:
            return text.word_count <= self.limit
        if self.notion == MIN_WORDS:
            return text.word_count >= self.limit
        if self.notion == ON_TOPIC:
            return (text.topic_share >= 0.2) == self.is_wanted
        return self.is_seen(text) == self.is_wanted

    def is_seen(self, text: JudgedText) -> bool:
        """Whether the notion or the phrase is in the answer, wanted or not."""
        if self.notion == PHRASE:
            return self.phrase.casefold() in text.answer.casefold()
        return VOCABULARY[self.notion].seen.search(text.answer) is not None

    @property
    def sentence(self) -> str:
        """The criterion as one sentence, which `criteria_in` reads back."""
        if self.notion == MAX_WORDS:
            return f"The answer must have at most {self.limit} words."
        if self.notion == MIN_WORDS:
            return f"The answer must have at least {self.limit} words."
        if self.notion == ON_TOPIC:
            return "The answer must address the question asked."
        if self.notion == PHRASE:
            return f"The answer must {'' if self.is_wanted else 'not '}mention “{self.phrase}”."
        notion = VOCABULARY[self.notion]
        return notion.wanted if self.is_wanted else notion.unwanted

    def finding(self, text: JudgedText) -> str:
        """What the answer does about it, to follow "The answer"."""
        if self.notion in {MAX_WORDS, MIN_WORDS}:
            bound = "at most" if self.notion == MAX_WORDS else "at least"
            return f"has {text.word_count} words, where {bound} {self.limit} are asked for"
        if self.notion == ON_TOPIC:
            return "addresses the question" if text.topic_share >= 0.2 else "misses the question"
        if self.notion == PHRASE:
            return f"{'mentions' if self.is_seen(text) else 'does not mention'} “{self.phrase}”"
        notion = VOCABULARY[self.notion]
        return notion.has if self.is_seen(text) else notion.lacks


def merge(criteria: Iterable[Criterion]) -> list[Criterion]:
    """The criteria with one for each subject: the later one holds, at the place of the first."""
    by_subject: dict[str, Criterion] = {}
    for criterion in criteria:
        by_subject[criterion.subject] = criterion
    return list(by_subject.values())


def sentences_of(text: str) -> Iterator[str]:
    """The sentences and list items of a text, without template variables."""
    for line in re.sub(r"\{\{.*?\}\}", " ", text).splitlines():
        for sentence in re.split(r"(?<=[.!?;])\s+", line):
            if sentence.strip():
                yield sentence.strip()


_OBLIGATION = re.compile(
    r"\b(?:must|should|shall|ought|has to|have to|needs? to|requires?d?|expect(?:s|ed)?|always|never|avoid\w*"
    r"|do not|don't|does not|doesn't|only (?:if|when)|at most|at least|no more than|no longer than|ensure|make sure"
    r"|check (?:that|whether|if)|penali[sz]e\w*|reward\w*|prefer\w*|without|free of|is (?:poor|bad|good|excellent))\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nothing|nowhere|neither|nor|without|avoid\w*|lacks?|lacking|miss(?:es|ing)?|omit\w*"
    r"|leav(?:es|ing|e) out|free of|fail(?:s|ed|ing)?|forg[eo]t\w*|refrain\w*|penali[sz]\w+|poor|bad|wrong|unclear)"
    r"\b|n't\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\s*(?:[,;:\u2013]|\s-\s|\band\b|\bbut\b|\byet\b|\bthough\b|\balthough\b|\bwhile\b|\bplus\b)\s*"
)
_DEMAND = re.compile(
    r"\b(?:must|should|ought to|has to|have to|needs? to|never|always)\b", re.IGNORECASE
)
_MISSED = re.compile(
    r"\s*(?:\w+\s+){0,2}?(?:missing|lacking|absent|unclear|isn't|(?:is|are|was|were)\s+(?:not|nowhere|never))\b",
    re.IGNORECASE,
)
_WORD_LIMIT = re.compile(
    r"(?P<bound>at least|no fewer than|not fewer than|minimum(?: of)?)?\s*(?P<count>\d{1,4})\s*words"
    r"(?:\s*or\s*(?P<tail>more|fewer|less))?",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"\btoo long|\blengthy|\bover-?long|\brambl\w+|\bwordy|\bverbose|\blong-winded|wall of text|\bshorter\b"
    r"|\bpadding\b|\bconcise|\bbrief\b|\bsuccinct|\bcrisp\b|to the point|\bshort\b(?! on)|half (?:the|as) (?:length|long)",
    re.IGNORECASE,
)
_TOO_SHORT = re.compile(
    r"\btoo short|\bcurt\b|\bterse\b|more detail|\btoo thin\b|\btoo little\b", re.IGNORECASE
)
_TOPIC = re.compile(
    r"(?:address|answer|stay)\w*\s+(?:on\s+|the\s+|my\s+|her\s+|his\s+|their\s+|a\s+)*(?:actual\s+)?(?:question|topic)"
    r"|off[- ]topic|misses the (?:question|point)|different question|besides? the point",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"\b(?:mention|say|include|contain|use|write)\w*\b[^“\"]*[“\"]([^”\"]{2,60})[”\"]", re.I
)


def _is_negated(text: str) -> bool:
    return len(_NEGATION.findall(text)) % 2 == 1


def _limits_in(clause: str) -> list[Criterion]:
    found = []
    for match in _WORD_LIMIT.finditer(clause):
        is_minimum = bool(match["bound"]) or (match["tail"] or "").lower() == "more"
        notion = MIN_WORDS if is_minimum else MAX_WORDS
        found.append(Criterion(notion=notion, limit=int(match["count"])))
    return found


def criteria_in(instructions: str) -> list[Criterion]:
    """The checkable criteria that a judge's instructions state, in their order.

    Only sentences that oblige ("must", "avoid", "at most") state one. A clause without an own obligation or
    negation shares that of the clause before it: "must give a price and an order number".
    """
    found: list[Criterion] = []
    for sentence in sentences_of(instructions):
        limits = _limits_in(sentence)
        if not limits and not _OBLIGATION.search(sentence):
            continue
        found.extend(limits)
        quoted = _QUOTED.search(sentence)
        if quoted:
            found.append(
                Criterion(
                    notion=PHRASE,
                    phrase=quoted[1].strip(" .,"),
                    is_wanted=not _is_negated(sentence[: quoted.start(1)]),
                )
            )
            continue
        is_wanted = True
        for clause in _CLAUSE.split(sentence):
            if _OBLIGATION.search(clause) or _NEGATION.search(clause):
                is_wanted = not _is_negated(clause)
            found.extend(
                Criterion(notion=notion.key, is_wanted=is_wanted)
                for notion in VOCABULARY.values()
                if notion.named.search(clause)
            )
            if _TOPIC.search(clause):
                found.append(Criterion(notion=ON_TOPIC))
            if not limits and _TOO_SHORT.search(clause):
                found.append(Criterion(notion=MIN_WORDS, limit=DEFAULT_MIN_WORDS))
            elif not limits and _TOO_LONG.search(clause):
                found.append(Criterion(notion=MAX_WORDS, limit=DEFAULT_MAX_WORDS))
    return merge(found)


def wishes_in(comment: str, text: JudgedText) -> list[Criterion]:
    """The criteria that a person's comment on one answer stands for, as far as they fit that answer.

    "No date" on an answer without one wishes for a date; "no hype" on one without hype wishes for none. A remark
    that the answer contradicts (no date, where there is one) says nothing and is left out.
    """
    found: list[Criterion] = []
    for sentence in sentences_of(comment):
        limits = _limits_in(sentence)
        found.extend(limits)
        for clause in _CLAUSE.split(sentence):
            for notion in VOCABULARY.values():
                mention = notion.named.search(clause)
                if not mention:
                    continue
                before, after = clause[: mention.start()], clause[mention.end() :]
                is_negated = _is_negated(before) != bool(_MISSED.match(after))
                criterion = Criterion(notion=notion.key, is_wanted=notion.usually_wanted)
                if _DEMAND.search(before):
                    found.append(Criterion(notion=notion.key, is_wanted=not is_negated))
                elif criterion.is_seen(text) != is_negated:
                    found.append(criterion)
            if _TOPIC.search(clause):
                found.append(Criterion(notion=ON_TOPIC))
            if not limits and _TOO_SHORT.search(clause):
                found.append(Criterion(notion=MIN_WORDS, limit=_rounded(text.word_count * 1.5)))
            elif not limits and _TOO_LONG.search(clause):
                found.append(_length_wish(clause, text))
    return merge(found)


def _length_wish(clause: str, text: JudgedText) -> Criterion:
    """A guess at the limit that somebody has in mind who finds this answer long, or finds it pleasantly short."""
    is_praise = not re.search(
        r"too|should|could|not|n't|shorter|half|padding|rambl|wordy|verbose|wall|winded|over-?long"
        r"|lengthy",
        clause,
        re.I,
    )
    return Criterion(
        notion=MAX_WORDS,
        limit=_rounded(text.word_count * 1.4 if is_praise else text.word_count * 0.7),
    )


def _rounded(words: float) -> int:
    return max(10, round(words / 10) * 10)
