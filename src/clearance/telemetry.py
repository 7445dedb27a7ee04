"""Logs: one line of JSON per event on standard error, from the level that `CLEARANCE_LOG_LEVEL` names. No secrets, no content."""

from __future__ import annotations

import logging
import sys

import structlog

LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}


def configure_logs(level: str) -> None:
    """Sets where logs go and what is logged, for the whole process. An unknown level means `warning`."""
    number = LEVELS.get(level.lower(), logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, force=True)
    # Libraries log what they send, arguments of tools too: below WARNING nothing, whatever their own loggers are set to.
    logging.disable(logging.INFO)
