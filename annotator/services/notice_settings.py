"""Of what a person wants to be told, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time

from django.db import transaction

from annotator.models import Preferences, User
from annotator.services import log


def save_notice_settings(
    *,
    user: User,
    timing: Mapping[str, str],
    digest_at: time,
    quiet_from: time,
    quiet_until: time,
    time_zone: str,
) -> Preferences:
    """Tell the person of things when they want it, at these times of their own clock.

    Args:
        timing: A `Timing` by `NotificationKind`; kinds that are not named stay as they are.
        quiet_from: From when on nothing goes out; the same as `quiet_until` for no quiet hours.
    """
    after: dict[str, object] = {
        "digest_at": digest_at,
        "quiet_from": quiet_from,
        "quiet_until": quiet_until,
        "time_zone": time_zone,
    }
    with transaction.atomic():
        Preferences.objects.get_or_create(user=user)
        preferences = Preferences.objects.select_for_update().get(user=user)
        after["timing"] = {**preferences.timing, **timing}
        before = {name: getattr(preferences, name) for name in after}
        for name, value in after.items():
            setattr(preferences, name, value)
        preferences.save(update_fields=list(after))
        log.record(
            actor=user,
            action="set",
            target=preferences,
            team=None,
            name="notifications",
            before={name: _plain(value) for name, value in before.items()},
            after={name: _plain(value) for name, value in after.items()},
        )
    return preferences


def _plain(value: object) -> object:
    return f"{value:%H:%M}" if isinstance(value, time) else value
