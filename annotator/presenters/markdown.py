"""Markdown for people, from sources that nobody trusts: models, users of an application, imports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from judges.answers import clean_text

# Parsing takes about 3 ms per 1,000 characters; a longer text is shown as it is.
LONGEST = 60_000

# No `img`: a picture from elsewhere would tell its server who reads which trace.
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


def _image(
    _: RendererProtocol, tokens: Sequence[Token], position: int, __: OptionsDict, ___: EnvType
) -> str:
    token = tokens[position]
    return escape(f"[image: {token.content or token.attrGet('src')}]")


def _parser(*, breaks: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": breaks})
    parser.enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image)
    return parser


_PARSER = _parser(breaks=True)
_PARSER_OF_FILES = _parser(breaks=False)


@lru_cache(maxsize=512)
def to_html(text: str, *, first_level: int = 3, breaks: bool = True) -> SafeString:
    """The text as safe HTML.

    Args:
        text: Markdown.
        first_level: The level of its highest headings, below those of the page around it.
        breaks: Whether a new line stays one, as people mean it; files with lines of a fixed width do not.
    """
    text = clean_text(text)
    if len(text) > LONGEST:
        return format_html('<pre class="prose-plain" tabindex="0">{}</pre>', text)
    environment: dict[str, Any] = {}
    parser = _PARSER if breaks else _PARSER_OF_FILES
    tokens = parser.parse(text, environment)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + first_level - 1)}"
    html = parser.renderer.render(tokens, parser.options, environment)
    return mark_safe(  # noqa: S308 - this is the one place that makes HTML from strange text: nh3 cleans it
        nh3.clean(
            html,
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
        )
    )
