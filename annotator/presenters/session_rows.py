"""Sessions in words and bars: their windows, their progress, and each person's share of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from annotator.models import FeedbackSession, Reviewer, SessionStatus
from annotator.presenters.words import count, percent
from annotator.services.session_board import Person

PARTS = ("done", "draft", "held", "flagged", "skipped")
_PART_WORDS = {
    "done": "done",
    "draft": "draft",
    "held": "open now",
    "flagged": "flagged",
    "skipped": "skipped",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a bar, in per cent of its width."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A stacked bar, and the same in words."""

    parts: tuple[Part, ...]
    words: str


def stacked_bar(counts: Mapping[str, int], *, total: int) -> Bar:
    """Parts of a whole, in the order of `PARTS`; what is left over is to do."""
    parts: list[Part] = []
    at = 0.0
    for kind in PARTS:
        width = 100 * counts.get(kind, 0) / total if total else 0.0
        if width:
            parts.append(Part(kind=kind, x=round(at, 2), width=round(width, 2)))
        at += width
    said = [f"{counts[kind]} {_PART_WORDS[kind]}" for kind in PARTS if counts.get(kind)]
    return Bar(parts=tuple(parts), words=f"{', '.join(said) or 'none done'} of {total}")


def person_bar(person: Person) -> Bar:
    """A reviewer's bar. What is open now is no part of the drafts, or it would be drawn twice."""
    return stacked_bar(
        {
            "done": person.done,
            "draft": max(0, person.draft - person.held),
            "held": person.held,
            "flagged": person.flagged,
            "skipped": person.skipped,
        },
        total=person.total,
    )


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """`Thu 26 Nov 10:00`."""
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def window_text(session: FeedbackSession, *, now: datetime, own_end: datetime | None = None) -> str:
    """When a session was, is or will be, on its own clock; for a reviewer with an end of their own, until that."""
    zone = session.zone
    opens, closes = session.opens_at, session.closes_for(own_end)
    place = f" ({zone.key.replace('_', ' ')})"
    match session.status:
        case SessionStatus.CANCELLED:
            return "called off"
        case SessionStatus.CLOSED | SessionStatus.SETTLED:
            ended = session.closed_at or closes
            return f"closed {clock(ended, zone)}{place}" if ended else "closed"
        case SessionStatus.GRACE:
            ends = session.ends_for(own_end)
            return f"extra time until {clock(ends, zone)}{place}" if ends else "in extra time"
        case SessionStatus.OPEN:
            return f"open until {clock(closes, zone)}{place}" if closes else "open"
    if opens and closes:
        return f"{clock(opens, zone)} to {clock(closes, zone)}{place}"
    if closes:
        return f"opens when scheduled, closes {clock(closes, zone)}{place}"
    return "no time yet"


def done_by_text(moment: datetime | None, zone: ZoneInfo, *, now: datetime) -> str:
    """`16:20`, or with the day where it is another one."""
    if moment is None:
        return ""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == today.date() else clock(moment, zone)


def progress_text(*, done: int, wanted: int) -> str:
    """`12 of 66 answers, 18 %`."""
    share = f", {percent(done / wanted)}" if wanted else ""
    return f"{done} of {count(wanted, 'answer')}{share}"


def names_text(names: Sequence[str], *, most: int = 3) -> str:
    """`Ana, Ben and 3 others`."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} other{'s' if len(names) - most > 1 else ''}")
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def unreachable_text(reviewers: Iterable[Reviewer]) -> str:
    """Which reviewers no e-mail reaches, and where they find the session; empty when it reaches everybody."""
    names = [str(reviewer.user) for reviewer in reviewers if not reviewer.user.email]
    if not names:
        return ""
    have, find = ("has", "finds") if len(names) == 1 else ("have", "find")
    return (
        f"{names_text(names, most=6)} {have} no e-mail address here and {find} the session under “My batches”; "
        "an admin can add an address."
    )
