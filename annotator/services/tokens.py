"""Tokens of programs: made, looked up at every request, revoked."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotator.models import ApiToken, Experiment, Membership, Role, Scope, Team, User
from annotator.models.people import SCOPES_OF_ROLE
from annotator.services import log

MARK = "ann_"  # so that scanners for leaked keys can know one
SHOWN_CHARACTERS = 12
LONGEST_NAME = 120
LONGEST_DAYS = 3650
MOST_TOKENS = 100  # in force, of one person in one team
LAST_USE_SECONDS = 60
REMEMBERED_SECONDS = 1.0  # so long may a revoked token still be answered by another process


class TokenError(ValueError):
    """The token cannot be made or revoked so; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class UnknownTokenError(ValueError):
    """The token opens nothing: it is unknown, revoked or expired, or its person has left. The message says which."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is asking through a program.

    Attributes:
        token_pk: The token.
        user: Its person; seen through this object they are in the token's team alone.
        team: The team that the token opens.
        role: The person's role there.
        scopes: What the program may do: what the token grants and the role allows.
        expires_at: When the token ends, or None.
        experiments: Those it has just written to, by their id for programs; remembered as long as the caller is.
    """

    token_pk: int
    user: User
    team: Team
    role: Role
    scopes: frozenset[str]
    expires_at: datetime | None
    experiments: dict[str, Experiment] = field(default_factory=dict)


_remembered: dict[str, tuple[float, Caller]] = {}
_last_used: dict[int, float] = {}


def scopes_allowed(user: User, team_id: int) -> tuple[Scope, ...]:
    """What the user may grant to a program in that team; nothing to who is not in it."""
    role = user.team_roles().get(team_id)
    return SCOPES_OF_ROLE[role] if role else ()


def create_token(
    *,
    user: User,
    team: Team,
    scopes: Collection[str],
    name: str = "",
    days: int | None = None,
    actor: User | None = None,
) -> tuple[ApiToken, str]:
    """A new token of the user for one team, and the text of it, which is shown this once.

    Args:
        scopes: What the program may do, at least one.
        days: How long it lasts; None for ever.
        actor: Who makes it; None is the command line.

    Raises:
        TokenError: when the user is not in the team, or a role, a name or a number of days does not allow it.
    """
    name = name.strip()
    allowed = scopes_allowed(user, team.pk)
    if not allowed:
        raise TokenError(f"{user.username} is not in the team {team.name}.", field="team")
    if not scopes:
        raise TokenError("Choose what the program may do.", field="scopes")
    for scope in scopes:
        if scope not in allowed:
            names = ", ".join(scope.label.lower() for scope in allowed)
            raise TokenError(f"Your role lets a program do this: {names}.", field="scopes")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise TokenError(
            f"A token's name is one line of at most {LONGEST_NAME} characters.", field="name"
        )
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise TokenError(f"A token lasts from 1 to {LONGEST_DAYS} days.", field="days")
    secret = MARK + secrets.token_urlsafe(32)
    with transaction.atomic():
        if ApiToken.objects.in_force().filter(user=user, team=team).count() >= MOST_TOKENS:
            raise TokenError(
                f"There are {MOST_TOKENS} tokens in force already; revoke those that nothing uses."
            )
        token = ApiToken.objects.create(
            user=user,
            team=team,
            name=name,
            prefix=secret[:SHOWN_CHARACTERS],
            digest=_digest(secret),
            scopes=[scope.value for scope in Scope if scope in scopes],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        log.record(
            actor=actor,
            action="created token",
            target=token,
            team=team,
            name=f"{token.prefix}… of {user.username}",
            after={"name": name, "scopes": token.scopes, "days": days},
        )
    return token, secret


def revoke_token(*, actor: User, token: ApiToken) -> ApiToken:
    """End a token; programs that use it are refused within a second or so. Doing it twice changes nothing.

    Raises:
        TokenError: when it is somebody else's and the actor is no admin of its team.
    """
    if token.user_id != actor.pk and not actor.has_role(token.team_id, Role.ADMIN):
        raise TokenError("Only the person whose token it is, or an admin, can revoke it.")
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            log.record(
                actor=actor,
                action="revoked token",
                target=token,
                team=token.team,
                name=f"{token.prefix}… of {token.user.username}",
            )
    token.refresh_from_db(fields=["revoked_at"])
    forget_callers()
    return token


def find_caller(secret: str) -> Caller:
    """Whose token it is. What the database said is remembered for a second.

    Raises:
        UnknownTokenError: when it opens nothing (any more).
    """
    digest = _digest(secret)
    now = time.monotonic()
    known = _remembered.get(digest)
    if known and known[0] > now:
        return known[1]
    caller = _look_up(digest)
    if len(_remembered) > 10_000:
        _remembered.clear()
    _remembered[digest] = (now + REMEMBERED_SECONDS, caller)
    _note_use(caller.token_pk, now)
    return caller


def forget_callers() -> None:
    """Ask the database again at the next request."""
    _remembered.clear()
    _last_used.clear()


def _look_up(digest: str) -> Caller:
    token = ApiToken.objects.filter(digest=digest).select_related("user", "team").first()
    if token is None:
        raise UnknownTokenError("This token is not known here.")
    if token.revoked_at is not None:
        raise UnknownTokenError("This token was revoked.")
    if token.expires_at is not None and token.expires_at <= timezone.now():
        raise UnknownTokenError(f"This token expired on {token.expires_at:%d %B %Y}.")
    held = Membership.objects.filter(user=token.user_id, team=token.team_id).first()
    if held is None or not token.user.is_active:
        raise UnknownTokenError("The person whose token this is has left the team.")
    role = Role(held.role)
    # Everything that asks what this person may see is thereby asked about the token's team alone.
    token.user._team_roles = {token.team_id: role}
    return Caller(
        token_pk=token.pk,
        user=token.user,
        team=token.team,
        role=role,
        scopes=frozenset(token.scopes) & frozenset(SCOPES_OF_ROLE[role]),
        expires_at=token.expires_at,
    )


def _note_use(token_pk: int, now: float) -> None:
    """Write down when the token was last used, once a minute at most."""
    if _last_used.get(token_pk, 0.0) > now:
        return
    _last_used[token_pk] = now + LAST_USE_SECONDS
    moment = timezone.now()
    before = moment - timedelta(seconds=LAST_USE_SECONDS)
    ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=before), pk=token_pk).update(
        last_used_at=moment
    )


def _digest(secret: str) -> str:
    """Enough for a secret of 256 random bits; a slow password hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()
