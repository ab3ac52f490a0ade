"""The keys of the review screen: what each does, which key does it at first, and what a person changed.

Everything here is pure: names and keys in, names and keys out. A key is one character in lower case, or the name that a
browser has for it (`Enter`, `ArrowDown`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAMED_KEYS = ("Enter", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "Insert")
CHOICES = 9


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that a key does; `note` says what one would not guess."""

    name: str
    key: str
    text: str
    note: str = ""


ACTIONS = (
    *(
        Action(name=f"choose_{number}", key=str(number), text=f"Choose answer {number}")
        for number in range(1, CHOICES + 1)
    ),
    Action(
        name="submit",
        key="Enter",
        text="Submit and go on",
        note="Outside text boxes. Ctrl+Enter, or ⌘+Enter on a Mac, does it everywhere.",
    ),
    Action(name="reason", key="r", text="Write the reason", note="Esc leaves the box."),
    Action(
        name="quote",
        key="q",
        text="Quote the selected text as reason",
    ),
    Action(name="draft", key="d", text="Save a draft", note="Two seconds of silence do it too."),
    Action(name="skip", key="s", text="Skip", note="Then 1 to 5 for the reason."),
    Action(name="flag", key="f", text="Flag for the lead", note="Then a number for the reason."),
    Action(name="next", key="j", text="Next item", note="Nothing is lost: drafts are kept."),
    Action(name="previous", key="k", text="Previous item"),
    Action(name="undo", key="u", text="Undo the last submit", note="Until the session closes."),
    Action(name="guideline", key="g", text="Guideline"),
    Action(name="view", key="v", text="Reading, steps, raw"),
    Action(name="find", key="/", text="Find in the trace"),
    Action(name="turn_back", key="[", text="Previous turn"),
    Action(name="turn_on", key="]", text="Next turn"),
    Action(name="batch", key="b", text="Open or close my batch"),
    Action(name="help", key="?", text="All keys"),
)
DEFAULTS = {action.name: action.key for action in ACTIONS}
# Beside its own key, wherever an arrow does not scroll or move a choice.
SECOND_KEYS = {"next": "ArrowDown", "previous": "ArrowUp"}


class KeyMapError(ValueError):
    """Keys that cannot be used; `problems` says by the action's name what is wrong with its key and what to do."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """Which key does what for one person.

    Attributes:
        changed: Keys by the action's name, for those that differ from the defaults.
        characters: Whether keys of a single character do anything; off for who dictates (WCAG 2.1.4).
    """

    changed: Mapping[str, str] = field(default_factory=dict)
    characters: bool = True

    @property
    def keys(self) -> dict[str, str]:
        """The key of every action; empty for one that no key does now."""
        return {
            name: "" if len(key) == 1 and not self.characters else key
            for name, key in self.all_keys.items()
        }

    @property
    def all_keys(self) -> dict[str, str]:
        """The key of every action, also while single characters are off."""
        return DEFAULTS | {name: key for name, key in self.changed.items() if name in DEFAULTS}

    @property
    def actions(self) -> dict[str, str]:
        """What each key does, as the browser needs it."""
        second = {key: name for name, key in self.second_keys.items()}
        return second | {key: name for name, key in self.keys.items() if key}

    @property
    def second_keys(self) -> dict[str, str]:
        """The arrows that an action has besides its own key; not those that were given to something."""
        taken = self.keys.values()
        return {name: key for name, key in SECOND_KEYS.items() if key not in taken}


def changes_from(typed: Mapping[str, str]) -> dict[str, str]:
    """The keys that differ from the defaults, of what somebody typed for each action.

    Args:
        typed: By the action's name; an empty text takes the default.

    Raises:
        KeyMapError: when a text is no key, or two actions have the same.
    """
    problems: dict[str, str] = {}
    chosen: dict[str, str] = {}
    for action in ACTIONS:
        text = typed.get(action.name, "").strip()
        key = _key(text) if text else action.key
        if key is None:
            problems[action.name] = f"“{text[:20]}” is no key; type one character, or Enter."
        else:
            chosen[action.name] = key
    owners: dict[str, str] = {}
    for name, key in chosen.items():
        if key in owners:
            other = next(action.text for action in ACTIONS if action.name == owners[key])
            problems[name] = f"“{key}” already does “{other}”; choose another."
        owners.setdefault(key, name)
    if problems:
        raise KeyMapError(problems)
    return {name: key for name, key in chosen.items() if key != DEFAULTS[name]}


def _key(text: str) -> str | None:
    if len(text) == 1:
        return text.lower() if text.isprintable() else None
    return next((name for name in NAMED_KEYS if name.lower() == text.lower()), None)
