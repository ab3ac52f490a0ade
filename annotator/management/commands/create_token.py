"""An API token for a user's programs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotator.models import User
from annotator.services import signin


class Command(BaseCommand):
    """Prints a new token on stdout and nothing else, so that a script can take it."""

    help = "Print a new API token of a user. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user's name, and a name for the token."""
        parser.add_argument("--user", required=True, help="user name")
        parser.add_argument("--name", default="", help="what the token is for, shown in lists")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it."""
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user named {options['user']!r}.")
        self.stdout.write(signin.create_token(user=user, name=options["name"]))
