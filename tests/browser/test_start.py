"""The way in: the link that `make run` prints."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.processes import Site


def test_the_printed_link_opens_the_app_signed_in(running_site: Site, page: Page, complaints):
    page.goto(running_site.link)
    expect(page).to_have_url(f"{running_site.url}/")
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_text("No worker is running")).to_have_count(0)
    assert complaints == []
