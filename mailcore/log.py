"""Structured logs on standard error: one event and key=value pairs, with a session or queue id bound in.

Never a password, a token or message text.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure(program: str, *, level: int = logging.INFO) -> None:
    """Set up logging of a program; the supervisor or the journal adds time and process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["level", "event"], drop_missing=True, sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="level=%(levelname)s event=%(name)s message=%(message)r")


def get_logger(name: str) -> Any:
    """A logger: `log.info("delivered", queue_id=..., recipient=...)`."""
    return structlog.get_logger(name)
