"""What templates format. Nothing that comes from a trace may run, load or style anything."""

from __future__ import annotations

import json
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.utils import timezone

from alignment.sides import Side
from annotator.presenters import json_tree, markdown
from annotator.templatetags import annotator_tags as tags

XSS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/track.png)",
    "[click](javascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](vbscript:msgbox)",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<svg/onload=alert(1)>",
    "<iframe src=//evil.example></iframe>",
    "<style>body{display:none}</style>",
    '<p style="position:fixed" onclick="x()">x</p>',
    "```html\n<script>alert(1)</script>\n```",
    '[x](https://a.example "onmouseover=alert(1)")',
    "<form action=//evil.example><input name=p></form>",
    "<!-- <script>alert(1)</script> -->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


class Elements(HTMLParser):
    """The elements of a text as a browser sees them, each with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(attrs)


@pytest.mark.parametrize("text", XSS)
def test_markdown_neutralises_what_could_run_load_or_style(text: str) -> None:
    elements = Elements(markdown.to_html(text))
    assert elements.names <= {"p", "br", "a", "pre", "code"}
    assert set(elements.attributes) <= {"href", "title", "rel"}
    assert (elements.attributes.get("href") or "https:").startswith("https:")


@pytest.mark.parametrize("text", XSS)
def test_json_is_escaped_in_keys_and_values(text: str) -> None:
    elements = Elements(json_tree.to_html({text: [text, {"inner": text}]}))
    assert elements.names == {"div", "details", "summary", "ul", "li", "span"}
    assert set(elements.attributes) == {"class", "open"}


def test_markdown_keeps_what_people_read() -> None:
    html = markdown.to_html(
        "# Title\n\none\ntwo\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- `x`\n\n[site](https://a.example)"
    )
    assert "<h3>Title</h3>" in html
    assert "one<br>" in html
    assert "<td>1</td>" in html
    assert "<code>x</code>" in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_markdown_names_a_picture_instead_of_loading_it() -> None:
    assert "[image: a cat]" in markdown.to_html("![a cat](https://a.example/cat.png)")


def test_markdown_shows_a_very_long_text_as_it_is() -> None:
    html = markdown.to_html("**x** " * 20_000)
    assert html.startswith("<pre")
    assert "<strong>" not in html


@pytest.mark.parametrize(
    "text", ["", "\x00", "half a pair \ud83d", "[" * 3_000, "*" * 3_000, "> " * 500 + "deep"]
)
def test_markdown_takes_any_text(text: str) -> None:
    str(markdown.to_html(text)).encode()


def test_json_stays_within_its_limits() -> None:
    deep: object = "bottom"
    for _ in range(100):
        deep = [deep]
    assert "see the raw view" in json_tree.to_html(deep)
    wide = json_tree.to_html([{"n": number} for number in range(10_000)])
    assert wide.count("<li>") <= json_tree.MOST_NODES + 1
    assert "see the raw view" in wide
    assert "30,000 characters" in json_tree.to_html("x" * 30_000)


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 1.5, float("nan"), "", [], {}, "\ud800", {"\ud800": "\x00"}, [[]], {"a": {}}],
)
def test_json_takes_any_value(value: object) -> None:
    str(json_tree.to_html(value)).encode()
    json_tree.raw_text(value).encode()


def test_raw_json_is_json() -> None:
    assert json.loads(json_tree.raw_text({"ü": [1, None]})) == {"ü": [1, None]}


@pytest.mark.parametrize(
    ("value", "side", "words"),
    [
        ("poor", Side.NEGATIVE, ("chip-negative", ">poor<")),
        (True, Side.POSITIVE, ("chip-positive", ">yes<")),
        (3, "NEUTRAL", ("chip-neutral", ">3<")),
        ("<b>", None, ("chip-none", "&lt;b&gt;")),
        ("x" * 80, None, ("…<",)),
    ],
)
def test_a_chip_bears_the_colour_of_its_side(
    value: object, side: Side | str | None, words: tuple[str, ...]
) -> None:
    chip = tags.value_chip(value, side=side)
    assert all(word in chip for word in words)


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1, hours=1), "yesterday"),
        (timedelta(days=3, hours=1), "3 days ago"),
    ],
)
def test_times_are_relative_and_exact_on_demand(age: timedelta, text: str) -> None:
    moment = timezone.now() - age
    html = tags.ago(moment)
    assert f">{text}</time>" in html
    assert moment.isoformat() in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.2, "< 1 ms"), (120, "120 ms"), (1400, "1.4 s"), (200_000, "3 min 20 s")],
)
def test_durations(value: float | None, text: str) -> None:
    assert tags.milliseconds(value) == text


@pytest.mark.parametrize(("name", "text"), [("Ada Lovelace", "AL"), ("expert1", "ex"), ("", "")])
def test_initials(name: str, text: str) -> None:
    assert tags.initials(name) == text


def test_the_demo_model_says_what_it_is_and_no_other_model_does() -> None:
    badge = tags.demo_badge("demo:/judge")
    assert ">demo model<" in badge
    assert "demo:/judge. This is the demo model" in badge
    assert tags.demo_badge("openai:/gpt-4.1-mini") == tags.demo_badge("") == ""


def test_the_lines_of_a_file_flow_and_its_headings_start_where_they_are_told() -> None:
    text = "## Keys\n\none\ntwo"
    assert "<br" in markdown.to_html(text)
    html = markdown.to_html(text, first_level=1, breaks=False)
    assert "<h2>Keys</h2>" in html
    assert "<br" not in html
