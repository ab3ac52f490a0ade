"""Who works here: users, teams, their roles, and the tokens of their programs."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


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


class ApiToken(models.Model):
    """A program's key. Only its SHA-256 is kept; the token itself is shown once."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=120, blank=True)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

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
