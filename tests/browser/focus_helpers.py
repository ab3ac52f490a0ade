"""What tests of the review screen look at."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from annotator.models import Assessment, User


def see_title(page: Page, text: str) -> None:
    """The item that is open begins with these words."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(text)


def see_saved(page: Page, text: str) -> None:
    """The line about saving says this."""
    expect(page.locator("#focus-save")).to_contain_text(text)


def answers_of(user: User) -> list[object]:
    """What the user answered on whole traces, in the order of the batch."""
    rows = Assessment.objects.human().filter(author=user, span_id="")
    return list(rows.order_by("assignment__position").values_list("value", flat=True))
