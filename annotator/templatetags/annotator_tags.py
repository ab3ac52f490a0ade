"""What templates format: values, times, figures, Markdown and JSON."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alignment.sides import Side
from annotator import permissions
from annotator.models import Judge, User
from annotator.presenters import json_tree as json_presenter
from annotator.presenters import markdown as markdown_presenter
from annotator.presenters import words

register = template.Library()

# A job is reached from its judge and has no entry of its own.
_MENU_NOUN = {"job": "judge"}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@register.filter
def markdown(text: object) -> SafeString:
    """Text as safe HTML; nothing in it can run, load or style anything."""
    return markdown_presenter.to_html(str(text))


@register.filter
def json_tree(value: Any) -> SafeString:
    """A value as folded JSON."""
    return json_presenter.to_html(value)


@register.filter
def percent(share: float | None) -> str:
    """A share from 0 to 1 in per cent; empty for None."""
    return "" if share is None else words.percent(share)


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as `3 min 20 s`; empty for None."""
    return words.duration(seconds)


@register.filter
def milliseconds(value: float | None) -> str:
    """Milliseconds as `120 ms`, `1.4 s` or `3 min 20 s`; empty for None."""
    if value is None:
        return ""
    if value < 1:
        return "< 1 ms"
    if value < 1_000:
        return f"{value:.0f} ms"
    return f"{value / 1_000:.1f} s" if value < 60_000 else words.duration(value / 1_000)


@register.filter
def money(cost: float | None) -> str:
    """US dollars; `unknown price` for None."""
    return words.money(cost)


@register.filter
def value_text(value: Any) -> str:
    """A judge's value as people read it: yes and no instead of true and false."""
    return words.value_text(value)


@register.filter
def key_text(key: str, judge: Judge) -> str:
    """A value that is known by its key alone, as people read it under the judge's name."""
    return words.value_text(key, judge.value_type)


@register.simple_tag
def value_chip(
    value: Any, judge: Judge | None = None, side: Side | str | None = None
) -> SafeString:
    """A value as a chip in the colour and shape of its side: the one given, or the judge's side for it."""
    if (
        side is None
        and judge is not None
        and judge.current_version is not None
        and value is not None
    ):
        side = judge.side_of(value)
    name = Side(side).value.lower() if side else "none"
    text = words.value_text(value)
    return format_html(
        '<span class="chip chip-{}" title="{}">{}</span>',
        name,
        text if len(text) > 40 else f"{text}: counts as {name}" if side else text,
        text if len(text) <= 40 else f"{text[:39]}…",
    )


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago, with the exact time on demand; the date once it is more than a week."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    local = timezone.localtime(moment)
    if seconds < 0 or seconds > 7 * _DAY:
        text = f"{local.day} {local:%b %Y}"
    elif seconds < _MINUTE:
        text = "just now"
    elif seconds < _HOUR:
        text = f"{int(seconds // _MINUTE)} min ago"
    elif seconds < _DAY:
        text = f"{int(seconds // _HOUR)} h ago"
    else:
        days = int(seconds // _DAY)
        text = "yesterday" if days == 1 else f"{days} days ago"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        f"{local:%A}, {local.day} {local:%B %Y, %H:%M:%S}",
        text,
    )


@register.simple_tag
def clock(moment: datetime | None, zone: tzinfo) -> SafeString | str:
    """The time of day in that zone; a script may put the reader's own in its place."""
    if moment is None:
        return ""
    local = timezone.localtime(moment, zone)
    return format_html(
        '<time data-clock datetime="{}">{}</time>', moment.isoformat(), f"{local:%H:%M}"
    )


@register.simple_tag
def when(moment: datetime | None, zone: tzinfo) -> SafeString | str:
    """A day and time in a zone that is named: `Thu 3 December, 10:00 (Europe/Paris)`; today goes without the day."""
    if moment is None:
        return ""
    local = timezone.localtime(moment, zone)
    is_today = local.date() == timezone.localtime(timezone.now(), zone).date()
    day = "today" if is_today else f"{local:%a} {local.day} {local:%B}"
    return format_html(
        '<time datetime="{}">{}, {} ({})</time>', moment.isoformat(), day, f"{local:%H:%M}", zone
    )


@register.simple_tag(takes_context=True)
def nav_link(context: template.Context, url_name: str, text: str) -> SafeString | str:
    """An entry of the main menu, marked as current on every page of its noun; nothing where there is no such page."""
    try:
        address = reverse(url_name)
    except NoReverseMatch:
        return ""
    match = getattr(context.get("request"), "resolver_match", None)
    here = (match.url_name or "").split("-")[0] if match is not None else ""
    current = _MENU_NOUN.get(here, here) == url_name.split("-")[0]
    return format_html(
        '<a class="nav-link" href="{}"{}>{}</a>',
        address,
        SafeString(' aria-current="page"') if current else "",
        text,
    )


@register.simple_tag
def demo_badge(model: str) -> SafeString | str:
    """Says of the demo model what it is, wherever its name stands; nothing for any other model."""
    if not words.is_demo_model(model):
        return ""
    return format_html(
        '<span class="badge badge-warning" title="{}. {}">demo model</span>',
        model,
        words.DEMO_NOTICE,
    )


@register.simple_tag
def role_of(user: User) -> str:
    """The user's strongest role, for menus: `EXPERT`, `LEAD`, `ADMIN`, or nothing."""
    role = permissions.highest_role(user)
    return role.value if role else ""


@register.filter
def role_label(role: str) -> str:
    """A role in words."""
    labels = {"EXPERT": "Expert", "LEAD": "Team lead", "ADMIN": "Admin"}
    return labels.get(role, "No team yet")


@register.filter
def thousands(value: int) -> str:
    """A whole number with its thousands apart: `10,000`."""
    return f"{value:,}"


@register.filter
def initials(person: object) -> str:
    """Two letters for a person: of first and last name, or the first two of the only one."""
    names = str(person).split()
    return "".join(name[0] for name in (names[0], names[-1])) if len(names) > 1 else str(person)[:2]
