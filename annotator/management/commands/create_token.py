"""An API token for a user's programs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotator.management.common import find_user
from annotator.services import signin

LONGEST_NAME = 120


class Command(BaseCommand):
    """Prints a new token on stdout and nothing else, so that a script can take it."""

    help = "Print a new API token of a user. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user's name, and a name for the token."""
        parser.add_argument("--user", required=True, help="user name")
        parser.add_argument("--name", default="", help="what the token is for, shown in lists")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it."""
        user = find_user(options["user"])
        if len(options["name"]) > LONGEST_NAME:
            raise CommandError(f"A token's name has at most {LONGEST_NAME} characters.")
        self.stdout.write(signin.create_token(user=user, name=options["name"]))
