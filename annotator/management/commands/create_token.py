"""An API token for a user's programs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotator.management.common import find_user
from annotator.models import Scope, Team, User
from annotator.services import tokens


class Command(BaseCommand):
    """Prints a new token on stdout and nothing else, so that a script can take it."""

    help = "Print a new API token of a user. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whose it is, what it opens, and for how long."""
        parser.add_argument("--user", required=True, help="user name")
        parser.add_argument("--team", help="the team that it opens, where the user is in several")
        parser.add_argument(
            "--scope",
            action="append",
            choices=[scope.value for scope in Scope],
            help="what the program may do, once for each; everything that the user's role allows without it",
        )
        parser.add_argument("--days", type=int, help="how long it lasts; for ever without it")
        parser.add_argument("--name", default="", help="what the token is for, shown in lists")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it."""
        user = find_user(options["user"])
        team = _team_of(user, options["team"])
        try:
            _, secret = tokens.create_token(
                user=user,
                team=team,
                scopes=options["scope"] or tokens.scopes_allowed(user, team.pk),
                name=options["name"],
                days=options["days"],
            )
        except tokens.TokenError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)


def _team_of(user: User, name: str | None) -> Team:
    teams = list(Team.objects.filter(pk__in=user.team_roles()).order_by("name"))
    if name is not None:
        teams = [team for team in teams if team.name == name]
        if not teams:
            raise CommandError(f"{user.username} is in no team {name!r}.")
    if not teams:
        raise CommandError(f"{user.username} is in no team; an admin can add them under /admin/.")
    if len(teams) > 1:
        names = ", ".join(team.name for team in teams)
        raise CommandError(f"{user.username} is in several teams; name one with --team: {names}.")
    return teams[0]
