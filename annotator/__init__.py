"""The Django project and its one app: pages, machine door, persistence, jobs."""

from annotator.celery import app as celery_app  # tasks bind to it, in the web process too

__all__ = ["celery_app"]
