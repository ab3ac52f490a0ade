"""Which disagreements a list shows: the part of the address that the workbench and the settling screen share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import QueryDict

from annotator.models import Cause, FeedbackSession, User
from annotator.services.disagreements import DisagreementRow

OPEN, WAITING, ALL, UNSETTLED = "open", "waiting", "all", "unsettled"
PEOPLE, JUDGE = "people", "judge"
STATES = {
    OPEN: "To decide",
    WAITING: "Answers still to come",
    UNSETTLED: "Without a label",
    Cause.PERSON: "A person was wrong",
    Cause.JUDGE: "The judge was wrong",
    Cause.GUIDELINE: "The guideline is unclear",
    ALL: "All",
}
KINDS = {"": "Everybody", PEOPLE: "People among each other", JUDGE: "The judge and people"}

Tags = Mapping[int, Iterable[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class DisagreementFilter:
    """What a list is narrowed down to.

    Attributes:
        session: Only traces of this session.
        kind: `people`, `judge`, or empty for both.
        state: One of `STATES`.
        pair: The two values that differ, as `value_key`s, and `people` or `judge` for who gave the second.
        tag: A tag of the trace, name and value.
    """

    session: FeedbackSession | None = None
    kind: str = ""
    state: str = OPEN
    pair: tuple[str, str, str] | None = None
    tag: tuple[str, str] | None = None

    @classmethod
    def from_query(cls, query: QueryDict, *, user: User, experiment: int) -> DisagreementFilter:
        """What the address asks for; what it asks for wrongly is left out, a session that is not the user's too."""
        session, pair, tag = query.get("session", ""), query.getlist("pair"), query.getlist("tag")
        sessions = FeedbackSession.objects.visible_to(user).filter(experiment=experiment)
        kind, state = query.get("kind", ""), query.get("state", OPEN)
        return cls(
            session=sessions.filter(pk=int(session)).first()
            if session.isdecimal() and len(session) < 18
            else None,
            kind=kind if kind in KINDS else "",
            state=state if state in STATES else OPEN,
            pair=(pair[0], pair[1], pair[2]) if len(pair) == 3 else None,
            tag=(tag[0], tag[1]) if len(tag) == 2 else None,
        )

    def lets_through(self, row: DisagreementRow, tags: Tags) -> bool:
        """Whether a row is in the list."""
        found = row.disagreement
        if self.kind == PEOPLE and not found.among_people:
            return False
        if self.kind == JUDGE and not found.with_judge:
            return False
        if self.pair and pair_of(row) != self.pair:
            return False
        if self.tag and self.tag not in tags.get(row.trace_pk, ()):
            return False
        if self.state == OPEN:
            return row.is_open
        if self.state == WAITING:
            return row.is_waiting
        if self.state == UNSETTLED:
            return not row.has_label
        return self.state == ALL or (row.cause is not None and row.cause.cause == self.state)

    def to_query(self, **changes: object) -> str:
        """The address of this list, or of one that differs in some way; without what is as it always is."""
        wanted = replace(self, **changes)  # type: ignore[arg-type]
        parts: list[tuple[str, str]] = []
        if wanted.session:
            parts.append(("session", str(wanted.session.pk)))
        if wanted.kind:
            parts.append(("kind", wanted.kind))
        if wanted.state != OPEN:
            parts.append(("state", wanted.state))
        for name, both in (("pair", wanted.pair), ("tag", wanted.tag)):
            parts += [(name, each) for each in both or ()]
        return urlencode(parts)

    @property
    def is_narrowed(self) -> bool:
        """Whether pair, tag or session leave something out that no tab brings back."""
        return bool(self.pair or self.tag or self.session)


def pair_of(row: DisagreementRow) -> tuple[str, str, str]:
    """The two values of a row that lie farthest apart, and who gave the second."""
    found = row.disagreement
    return (*found.pair, JUDGE if found.pair_with_judge else PEOPLE)
