"""Entries of the activity log in words, with the way to what they are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from annotator.models import ActivityLog

_NOUNS = {
    "assessment": "feedback",
    "disagreementcause": "the disagreement",
    "judge": "judge",
    "alignmentrun": "alignment of",
    "judgejob": "judge",
    "experiment": "experiment",
    "apitoken": "",
    "settlement": "the label",
    "programrun": "the program's run",
    "user": "as",
    "feedbacksession": "session",
    "assignment": "the item",
    "preferences": "",
    "modelprice": "",
}
# Their names are "<judge> on <trace>".
_ON_A_TRACE = ("assessment", "settlement", "disagreementcause")
# Where the words of the log do not read well before a noun, or a button names the deed otherwise.
_ACTIONS = {
    "finished run": "finished",
    "started run": "started",
    "set price": "set the price of",
    "removed price": "removed the price of",
    "took more": "took more of",
    "set": "changed the settings of",
    "withdrew": "deleted",
    "wrote guideline": "wrote the guideline of",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line: `who` `action` `noun` `name`; `address` leads to it, where it has a page."""

    at: datetime
    who: str
    is_system: bool
    action: str
    noun: str
    name: str
    address: str
    before: Any
    after: Any


def entry_of(row: ActivityLog) -> Entry:
    """The line of a row."""
    return Entry(
        at=row.created_at,
        who=str(row.actor) if row.actor else "Annotator",
        is_system=row.actor is None,
        action=_ACTIONS.get(row.action, row.action),
        noun=_NOUNS.get(row.target_kind, row.target_kind),
        name=row.target_name or row.target_id,
        address=_address(row),
        before=row.before,
        after=row.after,
    )


def _address(row: ActivityLog) -> str:
    pages = {"judge": "judge-detail", "alignmentrun": "run-detail", "judgejob": "job-detail"}
    if row.target_kind in pages:
        return reverse(pages[row.target_kind], args=[row.target_id])
    if row.target_kind == "experiment":
        return f"{reverse('trace-list')}?experiment={row.target_id}"
    trace_id = row.target_name.rpartition(" on ")[2]
    if row.target_kind in _ON_A_TRACE and trace_id:
        return reverse("trace-detail", args=[trace_id])
    return ""
