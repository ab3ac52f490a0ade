"""How a person works in the review screen: keys, and what happens by itself."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from annotator.keymap import changes_from
from annotator.models import Preferences, User
from annotator.services import log


def save_review_keys(
    *,
    user: User,
    typed: Mapping[str, str],
    letter_keys: bool,
    auto_submit: bool,
    auto_advance: bool,
) -> Preferences:
    """Keep the keys that differ from the defaults, and the three switches.

    Raises:
        KeyMapError: when a text is no key, or two actions have the same one.
    """
    after = {
        "keys": changes_from(typed),
        "letter_keys": letter_keys,
        "auto_submit": auto_submit,
        "auto_advance": auto_advance,
    }
    with transaction.atomic():
        preferences, _ = Preferences.objects.select_for_update().get_or_create(user=user)
        before = {name: getattr(preferences, name) for name in after}
        for name, value in after.items():
            setattr(preferences, name, value)
        preferences.save(update_fields=list(after))
        log.record(
            actor=user,
            action="set",
            target=preferences,
            team=None,
            name="keys of the review screen",
            before=before,
            after=after,
        )
    return preferences
