"""The main job, as a new user meets it: three pieces of feedback, and a judge is aligned, tested and promoted."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.processes import Site, eventually

RUN_SECONDS = 120


def test_three_pieces_of_feedback_align_test_and_promote_the_judge(
    running_site: Site, page: Page, complaints: list[str]
) -> None:
    page.goto(running_site.link)
    expect(page.get_by_text("57 labels, at least 60")).to_be_visible()

    page.get_by_role("link", name="Review next").first.click()
    page.wait_for_url("**/trace/**")
    for number in range(3):
        page.keyboard.press("3")
        page.keyboard.press("r")
        page.keyboard.type("No date, and no next step.")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("Feedback saved").first).to_be_visible()
        if number < 2:
            with page.expect_navigation():
                page.keyboard.press("j")

    run = page.get_by_role("link", name="Run 1")
    assert eventually(lambda: page.goto(f"{running_site.url}/runs/") and run.count())
    run.click()
    expect(page.get_by_text("Version 2 was promoted")).to_be_visible(timeout=RUN_SECONDS * 1000)

    main = page.get_by_role("main")
    expect(main.get_by_text("demo model").first).to_be_visible()
    expect(
        main.get_by_text(re.compile(r"Decisively better: .*agreement on \d+ held-out labels")).first
    ).to_be_visible()
    expect(main.get_by_role("heading", name="Old against new")).to_be_visible()
    expect(main.get_by_role("heading", name="Traces fixed and broken")).to_be_visible()
    expect(main.get_by_text("The answer must").filter(visible=True).first).to_be_visible()

    page.get_by_role("button", name="Roll back to version 1").click()
    page.goto(f"{running_site.url}/judges/1/")
    expect(page.get_by_text("Version 1").first).to_be_visible()
    page.goto(f"{running_site.url}/activity/")
    expect(page.get_by_text("rolled back").first).to_be_visible()
    assert complaints == []
