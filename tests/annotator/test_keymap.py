"""Which key does what."""

from __future__ import annotations

import pytest

from annotator.keymap import ACTIONS, DEFAULTS, KeyMap, KeyMapError, changes_from


def test_every_action_has_a_key_of_its_own_at_first():
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)
    arrows = {"ArrowDown": "next", "ArrowUp": "previous"}
    assert KeyMap().actions == arrows | {key: name for name, key in DEFAULTS.items()}


def test_an_arrow_that_was_given_to_something_else_goes_to_no_other_item():
    keys = KeyMap(changed={"skip": "ArrowDown"})
    assert keys.actions["ArrowDown"] == "skip"
    assert keys.second_keys == {"previous": "ArrowUp"}


def test_only_what_differs_from_the_defaults_is_kept():
    typed = DEFAULTS | {"skip": "X", "submit": "enter", "undo": ""}
    assert changes_from(typed) == {"skip": "x"}


def test_two_actions_may_swap_their_keys():
    changed = changes_from(DEFAULTS | {"skip": "f", "flag": "s"})
    actions = KeyMap(changed=changed).actions
    assert (actions["f"], actions["s"]) == ("skip", "flag")


@pytest.mark.parametrize("key", ["", "x", "ArrowDown", "é", "ж"])
def test_a_character_or_the_name_of_a_key_will_do(key):
    changes_from(DEFAULTS | {"skip": key})


@pytest.mark.parametrize("key", ["ctrl", "Escape", "F5", "xy", "\x07"])
def test_what_is_no_key_is_refused_at_its_field(key):
    with pytest.raises(KeyMapError) as error:
        changes_from(DEFAULTS | {"skip": key})
    assert list(error.value.problems) == ["skip"]


def test_a_key_that_does_something_else_already_is_refused_with_what_it_does():
    with pytest.raises(KeyMapError) as error:
        changes_from(DEFAULTS | {"undo": "r"})
    assert error.value.problems == {"undo": "“r” already does “Write the reason”; choose another."}


def test_without_characters_only_named_keys_do_anything():
    keys = KeyMap(changed={"next": "ArrowRight"}, characters=False)
    assert keys.actions == {
        "Enter": "submit",
        "ArrowRight": "next",
        "ArrowDown": "next",
        "ArrowUp": "previous",
    }
    assert keys.all_keys["skip"] == "s"


def test_an_action_that_is_gone_does_no_harm():
    assert KeyMap(changed={"dance": "x"}).all_keys == DEFAULTS
