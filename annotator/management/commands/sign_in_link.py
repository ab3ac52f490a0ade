"""A one-time link that signs a user in, for trying the app as somebody else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from annotator.models import User
from annotator.services import signin


class Command(BaseCommand):
    """Prints the link on stdout and nothing else."""

    help = "Print a link that signs a user in, once and from this machine only."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user's name."""
        parser.add_argument("--user", required=True, help="user name, such as expert1 in the demo")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user named {options['user']!r}.")
        secret = signin.create_link(user=user)
        self.stdout.write(f"http://127.0.0.1:{settings.PORT}{reverse('start', args=[secret])}")
