"""Our pages as a person reads them."""

import html
import re

from django.test import Client as Browser


def page_of(browser: Browser, path: str) -> str:
    """The text of a page."""
    response = browser.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))
