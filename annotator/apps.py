"""The app's configuration."""

from django.apps import AppConfig


class AnnotatorConfig(AppConfig):
    """The one app of the project."""

    name = "annotator"
    label = "annotator"
