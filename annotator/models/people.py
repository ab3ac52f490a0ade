"""Who works here: users, teams, their roles, and the tokens of their programs."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from annotator.models.fields import JSONTextField


class User(AbstractUser):
    """A person. `username` is what their feedback bears as its source."""

    class Meta(AbstractUser.Meta):
        pass

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def team_roles(self) -> dict[int, str]:
        """The role in each of the user's teams, by team id; asked of the database once per request."""
        if not hasattr(self, "_team_roles"):
            self._team_roles = dict(self.memberships.values_list("team_id", "role"))
        return self._team_roles

    def has_role(self, team_id: int, role: str) -> bool:
        """Whether the user is at least that much in the team: an admin is a lead, a lead an expert."""
        held = self.team_roles().get(team_id)
        return held is not None and ROLE_RANK[held] >= ROLE_RANK[role]


class Team(models.Model):
    """People who share experiments."""

    name = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"


class Role(models.TextChoices):
    """What a member may do; each role includes the ones above it in this list."""

    EXPERT = "EXPERT", "Expert"
    LEAD = "LEAD", "Team lead"
    ADMIN = "ADMIN", "Admin"


ROLE_RANK: dict[str, int] = {Role.EXPERT: 1, Role.LEAD: 2, Role.ADMIN: 3}


class Membership(models.Model):
    """A user's role in a team."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.EXPERT)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "team"], name="one_membership_per_user_and_team"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} in {self.team} ({self.pk})"


class Scope(models.TextChoices):
    """What a program may do with a token; reading comes first, because nearly every program does."""

    READ = "READ", "Read traces, feedback and judges"
    WRITE_TRACES = "WRITE_TRACES", "Send traces"
    WRITE_FEEDBACK = "WRITE_FEEDBACK", "Give feedback"
    WRITE_JUDGES = "WRITE_JUDGES", "Register judges"


# What a token of somebody in this role may do at most: a program may never do more than its person.
SCOPES_OF_ROLE: dict[str, tuple[Scope, ...]] = {
    Role.EXPERT: (Scope.READ, Scope.WRITE_TRACES, Scope.WRITE_FEEDBACK),
    Role.LEAD: (Scope.READ, Scope.WRITE_TRACES, Scope.WRITE_FEEDBACK),
    Role.ADMIN: tuple(Scope),
}


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Reads of tokens."""

    def visible_to(self, user: User) -> ApiTokenQuerySet:
        """The user's own, and all of the teams whose admin the user is."""
        led = [team for team in user.team_roles() if user.has_role(team, Role.ADMIN)]
        return self.filter(models.Q(user=user, team__in=user.team_roles()) | models.Q(team__in=led))

    def in_force(self) -> ApiTokenQuerySet:
        """Those that are neither revoked nor expired."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at=None)


class ApiToken(models.Model):
    """A program's key to one team. Only its SHA-256 is kept; the token itself is shown once.

    `scopes` holds what its maker granted; what its user's role allows today bounds that at every request.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120, blank=True)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = JSONTextField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user} ({self.pk})"


class SignInLink(models.Model):
    """A link that signs somebody in once, from this machine only."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Link for {self.user} ({self.pk})"
