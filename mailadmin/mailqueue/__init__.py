"""The outbound queue: rows, scheduler, Celery tasks."""
