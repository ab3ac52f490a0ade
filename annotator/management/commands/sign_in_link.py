"""A one-time link that signs a user in, for trying the app as somebody else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.urls import reverse

from annotator.management.common import find_user
from annotator.services import signin


class Command(BaseCommand):
    """Prints the link on stdout and nothing else."""

    help = "Print a link that signs a user in, once and from this machine only."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user's name."""
        parser.add_argument("--user", required=True, help="user name, such as expert1 in the demo")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        secret = signin.create_link(user=find_user(options["user"]))
        self.stdout.write(f"http://127.0.0.1:{settings.PORT}{reverse('start', args=[secret])}")
