"""Keeping an optimizer's text usable: the judge's own instructions stay, foreign placeholders go, lost ones return."""

from __future__ import annotations

import inspect
import re
from collections.abc import Set as AbstractSet

_BRACES = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)


def merged_instructions(original: str, proposed: str, variables: AbstractSet[str]) -> str:
    """The proposal as instructions the judge can use: the original text untouched, then what was learnt.

    A proposal that does not begin with the original is a rewriting; it is kept, and placeholders it lost are added.

    Args:
        original: The judge's instructions.
        proposed: What the optimizer made of them.
        variables: The template variables the judge may use.
    """
    # DSPy removes common indentation and outer blanks from a program's instructions.
    plain = inspect.cleandoc(original).rstrip()
    if not proposed.startswith(plain):
        return mended(proposed, variables)
    learnt = without_foreign_placeholders(proposed[len(plain) :], variables).strip()
    return f"{original.rstrip()}\n\n{learnt}" if learnt else original


def mended(text: str, variables: AbstractSet[str]) -> str:
    """The text with exactly the judge's placeholders: foreign ones lose their braces, lost ones are added."""
    return _with_lost_placeholders(without_foreign_placeholders(text, variables), variables)


def without_foreign_placeholders(text: str, variables: AbstractSet[str]) -> str:
    """The text with the braces taken from every placeholder that is not one of the judge's variables."""
    return _BRACES.sub(lambda found: found[0] if found[1] in variables else found[1], text)


def _with_lost_placeholders(text: str, variables: AbstractSet[str]) -> str:
    lost = sorted(variables - set(_BRACES.findall(text)))
    if not lost:
        return text
    names = ", ".join(f"{name}: {{{{ {name} }}}}" for name in lost)
    return f"{text.rstrip()}\n\nThe case to judge: {names}."
