"""Links that sign somebody in once, on this machine."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from annotator.models import SignInLink, User
from annotator.services import log

LINK_HOURS = 24


class SignInError(ValueError):
    """The link does not sign in; the message says why and what to do."""


def create_link(*, user: User) -> str:
    """The secret part of a new link; only its digest is kept."""
    secret = secrets.token_urlsafe(32)
    now = timezone.now()
    SignInLink.objects.filter(expires_at__lt=now).delete()
    SignInLink.objects.create(
        user=user, digest=_digest(secret), expires_at=now + timedelta(hours=LINK_HOURS)
    )
    return secret


def use_link(*, secret: str, address: str) -> User:
    """Whom the link signs in. It is used up by that.

    Args:
        secret: What `create_link` returned.
        address: The IP address at the other end of the connection, not one that a header claims.

    Raises:
        SignInError: when the link is unknown, used, too old, or asked for from another machine.
    """
    if not is_loopback(address):
        raise SignInError(
            "This link works only on the machine that Annotator runs on. Sign in with your password."
        )
    now = timezone.now()
    with transaction.atomic():
        link = SignInLink.objects.filter(digest=_digest(secret)).select_related("user").first()
        if link is None or not link.user.is_active:
            raise SignInError(
                "This link is not known here. Use the newest one that `make run` printed."
            )
        # of two visitors at once, one row changes for one of them
        if not SignInLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now).update(
            used_at=now
        ):
            why = "has been used already" if link.used_at else f"is older than {LINK_HOURS} hours"
            raise SignInError(
                f"This link {why}. Stop `make run` with Ctrl-C and start it again: it prints a new one."
            )
        log.record(
            actor=link.user,
            action="signed in by link",
            target=link.user,
            team=None,
            name=link.user.username,
        )
    return link.user


def is_loopback(address: str) -> bool:
    """Whether an IP address means this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _digest(secret: str) -> str:
    """Enough for a secret of 256 random bits; a slow password hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()
