"""The link in each mail that switches its kind off, without signing in."""

from __future__ import annotations

from django.core import signing
from django.db import transaction

from annotator.models import NotificationKind, Preferences, Timing, User

_SALT = "notifications.off"


def off_token(user: User, kind: str) -> str:
    """What the link carries; it never runs out."""
    return signing.dumps([user.pk, kind], salt=_SALT, compress=True)


def read_off_token(token: str) -> tuple[User, NotificationKind] | None:
    """Who wants which kind switched off; None when the link is none of ours."""
    try:
        pk, kind = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=pk, is_active=True).first()
    return (user, NotificationKind(kind)) if user and kind in NotificationKind.values else None


def switch(*, user: User, kind: NotificationKind, is_on: bool) -> Preferences:
    """Tell the person of such things, or no more. It is their own setting, so that nothing is logged."""
    with transaction.atomic():
        Preferences.objects.get_or_create(user=user)
        preferences = Preferences.objects.select_for_update().get(user=user)
        preferences.timing = {
            **preferences.timing,
            kind: Timing.DIGEST.value if is_on else Timing.NEVER.value,
        }
        preferences.save(update_fields=["timing"])
    return preferences
