"""Whether records fit what is here: names that are judges', values that their judges allow, nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from annotator.models import Judge, Kind, Source
from annotator.records import AssessmentRecord, FeedbackRecord, Refusal, TraceRecord
from annotator.services.judge_drafts import is_draft
from judges.values import InvalidValueError, Value, ValueKind

MOST_NEW_NAMES = 200

_QUOTED = 60
_FAMILIES = {
    ValueKind.BOOLEAN: "true or false",
    ValueKind.INTEGER: "a number",
    ValueKind.NUMBER: "a number",
    ValueKind.CATEGORY: "a text",
    ValueKind.TEXT: "a text",
}


class RefusedError(ValueError):
    """One part of a record cannot be taken."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason

    def at(self, line: int) -> Refusal:
        """The refusal of the line."""
        return Refusal(line=line, field=self.field, reason=self.reason)


class TraceCheck:
    """The check of the traces of one file.

    A name without a judge is taken when it is new altogether, and refused when it differs from a known one only in case
    or blanks. Feedback under such a name must be of one kind, so that a judge can be drafted for it.

    Attributes:
        seen: The names of all feedback that passed.
    """

    def __init__(self, judges: Iterable[Judge], name_map: Mapping[str, str]) -> None:
        self.seen: set[str] = set()
        self._name_map = name_map
        self._finished = {judge.name: judge for judge in judges if not is_draft(judge)}
        self._families: dict[str, tuple[str, str]] = {
            judge.name: (_FAMILIES[judge.value_type.kind], "in this experiment")
            for judge in judges
            if is_draft(judge)
        }
        self._by_folded = {folded(name): name for name in (*self._finished, *self._families)}
        self._new_names = 0
        self._lines: dict[str, int] = {}

    def checked(self, record: TraceRecord) -> TraceRecord:
        """The record with mapped names and canonical values.

        Raises:
            RefusedError: when it cannot be taken; then it leaves no mark on later records.
        """
        earlier = self._lines.get(record.trace_id)
        if earlier is not None:
            raise RefusedError(
                "trace_id",
                f"The same trace is on line {earlier} already; keep one, with all its assessments.",
            )
        assessments: dict[tuple[str, ...], AssessmentRecord] = {}
        families: dict[str, tuple[str, str]] = {}
        for assessment in record.assessments:
            if assessment.kind == Kind.FEEDBACK:
                assessment = self._checked_feedback(assessment, record.line, families)
            key = (
                *(assessment.kind, assessment.name, assessment.source_type),
                *(assessment.source_id, assessment.span_id),
            )
            if key in assessments:
                raise RefusedError(
                    f"assessments[{assessment.position}].name",
                    f"“{quoted(assessment.source_id)}” has answered “{quoted(assessment.name)}” already in "
                    f"assessments[{assessments[key].position}]; keep one of them.",
                )
            assessments[key] = assessment
        for name, family in families.items():
            if name not in self._families:
                self._families[name] = family
                self._by_folded[folded(name)] = name
                self._new_names += 1
        self.seen.update(each.name for each in assessments.values() if each.kind == Kind.FEEDBACK)
        self._lines[record.trace_id] = record.line
        return replace(record, assessments=tuple(assessments.values()))

    def _checked_feedback(
        self, assessment: AssessmentRecord, line: int, families: dict[str, tuple[str, str]]
    ) -> AssessmentRecord:
        name = self._name_map.get(assessment.name, assessment.name)
        path = f"assessments[{assessment.position}]"
        judge = self._finished.get(name)
        value = assessment.value
        if judge is not None:
            if value is not None:
                value = fitting(value, judge, field=f"{path}.value")
            return replace(assessment, name=name, value=value)
        family = self._families.get(name) or families.get(name)
        if family is None:
            self._check_new_name(name, f"{path}.name", families)
        if value is not None:
            kind, where = family or (_family_of(value), f"on line {line}")
            if _family_of(value) != kind:
                raise RefusedError(
                    f"{path}.value",
                    f"It is {_family_of(value)}, but “{quoted(name)}” has {kind} {where}; one name has one kind "
                    "of value.",
                )
            families[name] = (kind, where)
        return replace(assessment, name=name)

    def _check_new_name(self, name: str, field: str, families: Mapping[str, object]) -> None:
        near = self._by_folded.get(folded(name)) or next(
            (other for other in families if folded(other) == folded(name)), None
        )
        if near is not None:
            raise RefusedError(field, near_miss(name, near))
        if name != name.strip():
            raise RefusedError(
                field,
                f"“{quoted(name)}” begins or ends with a blank; remove it or map it: {mapping(name)}.",
            )
        if self._new_names + len(families) >= MOST_NEW_NAMES:
            raise RefusedError(
                field,
                f"This would be the judge number {MOST_NEW_NAMES + 1} that the import makes; a name says what is "
                "judged, not which trace.",
            )


class FeedbackCheck:
    """The check of the feedback of one file.

    Attributes:
        judges: The judges of the experiment, by name.
        seen: The names of the judges whose feedback passed.
    """

    def __init__(
        self,
        judges: Iterable[Judge],
        *,
        only: Judge | None,
        source_id: str,
        name_map: Mapping[str, str],
    ) -> None:
        self.judges = {judge.name: judge for judge in judges}
        self.seen: set[str] = set()
        self._only = only
        self._source_id = source_id
        self._name_map = name_map
        self._by_folded = {folded(name): name for name in self.judges}
        self._lines: dict[tuple[str, ...], int] = {}

    def checked(
        self, record: FeedbackRecord, pks: Mapping[str, int]
    ) -> tuple[int, AssessmentRecord]:
        """The pk of the trace, and the answer with its judge's name and a canonical value.

        Args:
            pks: The traces of the experiment, by trace id.

        Raises:
            RefusedError: when it cannot be taken.
        """
        judge = self._judge(record.name)
        if record.trace_id not in pks:
            raise RefusedError(
                "trace_id",
                f"There is no trace “{quoted(record.trace_id)}” in this experiment; import it first, or correct "
                "the id.",
            )
        value = None if record.value is None else fitting(record.value, judge, field="value")
        source_id = record.source_id or self._source_id
        key = (record.trace_id, judge.name, source_id, record.span_id)
        if key in self._lines:
            raise RefusedError(
                "trace_id",
                f"“{quoted(source_id)}” has answered for this trace on line {self._lines[key]} already; keep one "
                "of them.",
            )
        self._lines[key] = record.line
        self.seen.add(judge.name)
        return pks[record.trace_id], AssessmentRecord(
            name=judge.name,
            value=value,
            source_type=Source.HUMAN.value,
            source_id=source_id,
            rationale=record.rationale,
            declined_reason=record.declined_reason,
            span_id=record.span_id,
            created_at=record.created_at,
        )

    def _judge(self, given: str | None) -> Judge:
        if given is None:
            if self._only is None:
                raise RefusedError(
                    "name",
                    "It does not say which judge it is for; add a column “name” or give --judge.",
                )
            return self._only
        name = self._name_map.get(given, given)
        judge = self.judges.get(name)
        if judge is None:
            near = self._by_folded.get(folded(name))
            if near is not None:
                raise RefusedError("name", near_miss(name, near))
            known = ", ".join(f"“{known}”" for known in sorted(self.judges)[:20]) or "none yet"
            raise RefusedError(
                "name",
                f"There is no judge “{quoted(name)}” in this experiment; its judges are {known}.",
            )
        if self._only is not None and judge != self._only:
            raise RefusedError(
                "name", f"It is for “{judge.name}”, not for “{self._only.name}”; leave out --judge."
            )
        return judge


def fitting(value: Value, judge: Judge, *, field: str) -> Value:
    """The value as the judge's type writes it.

    Raises:
        RefusedError: when the judge does not allow it; it names what is allowed.
    """
    try:
        return judge.value_type.parse(value)
    except InvalidValueError:
        raise RefusedError(
            field,
            f"“{quoted(value)}” is no value of “{judge.name}”, which is {judge.value_type.describe()}.",
        ) from None


def folded(name: str) -> str:
    """The name without case, blanks and joiners: equal for names that people take for the same."""
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def near_miss(name: str, near: str) -> str:
    """The sentence for a name that is almost another."""
    return (
        f"“{quoted(name)}” is almost “{near}”, but names must match exactly. If they are the same, "
        f"map it: {mapping(name, near)}."
    )


def mapping(name: str, to: str = "NAME") -> str:
    """How to say on the command line that a name stands for another."""
    return f'--map "{name[:250]}={to}"'


def quoted(value: object) -> str:
    """A value as a message quotes it."""
    text = str(value)
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def _family_of(value: Value) -> str:
    if isinstance(value, bool):
        return _FAMILIES[ValueKind.BOOLEAN]
    return _FAMILIES[ValueKind.TEXT if isinstance(value, str) else ValueKind.NUMBER]
