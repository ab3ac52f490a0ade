"""The app's configuration."""

from django.apps import AppConfig
from django.conf import settings

from alignment.plugins import register


class AnnotatorConfig(AppConfig):
    """The one app of the project."""

    name = "annotator"
    label = "annotator"

    def ready(self) -> None:
        """Offer the optimizers that the settings name; each is loaded when it is first asked for."""
        for name, path in settings.OPTIMIZERS.items():
            register(name, path)
