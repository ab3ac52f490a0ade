"""An optimizer that somebody wrote and installed: chosen, given its options, and run, all in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.guide import guide_package
from tests.processes import Site

RUN_SECONDS = 120


@pytest.fixture
def site_with_the_plugin(tmp_path: Path) -> Iterator[Site]:
    """An installation in whose environment pip has put the package of the guide."""
    site = Site(tmp_path / "data", PYTHONPATH=str(guide_package(tmp_path)))
    site.start()
    yield site
    site.close()


def test_an_installed_optimizer_shows_its_options_and_makes_a_new_version(
    site_with_the_plugin: Site, page: Page, complaints: list[str]
) -> None:
    site = site_with_the_plugin
    page.goto(site.link)
    page.goto(f"{site.url}/judges/1/settings/")
    page.get_by_label("Fewest labels").fill("30")
    page.get_by_label("An admin starts every run").check()
    page.get_by_role("button", name="Save the settings").click()
    page.goto(f"{site.url}/judges/1/align/")

    page.get_by_label("Quote the experts").check()
    page.get_by_text("Options of Quote the experts 1.0").click()
    page.get_by_label("Most reasons").fill("3")
    page.get_by_label("Order").last.select_option("longest")
    expect(page.get_by_text("How many reasons to try.")).to_be_visible()
    page.get_by_role("button", name="Start the run").click()

    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name="Finished")).to_be_visible(timeout=RUN_SECONDS * 1000)
    expect(main.get_by_text("quote_the_experts").first).to_be_visible()
    assert complaints == []
