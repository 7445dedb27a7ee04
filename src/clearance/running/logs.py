"""Logs: one line of JSON per event on standard error, from the level that `CLEARANCE_LOG_LEVEL`
names.

No secrets, no content.
"""

from __future__ import annotations

import copy
import logging
import sys

import structlog

from clearance.tools.masking import masked_everywhere

LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
_COMMON_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logs(level: str) -> None:
    """Sets where logs go and what is logged, for the whole process.

    An unknown level means `warning`.
    """
    number = LEVELS.get(level.lower(), logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_COMMON_PROCESSORS,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
            lambda _logger, _level, line: masked_everywhere(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    # Libraries log what they send, arguments of tools too: below WARNING nothing, whatever their
    # own loggers are set to.
    logging.disable(logging.INFO)


class _Lines(structlog.stdlib.ProcessorFormatter):
    """The logs of libraries, as lines like ours; `logger` names the library."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_COMMON_PROCESSORS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        driver = record.name.startswith("psycopg")
        line = super().format(_without_addresses(record) if driver else record)
        return masked_everywhere(line)  # libraries quote what a tool server sent


def _without_addresses(record: logging.LogRecord) -> logging.LogRecord:
    """The driver quotes the address that failed, and parts of a password may be in it: only what
    kind of thing it was is kept.
    """
    bare = copy.copy(record)
    given = record.args if isinstance(record.args, tuple) else ()
    bare.args = tuple(arg if isinstance(arg, str | int | float) else _kind(arg) for arg in given)
    bare.exc_info = bare.exc_text = None
    return bare


def _kind(thing: object) -> str:
    state = getattr(thing, "sqlstate", None)
    return f"{type(thing).__name__} {state}" if state else type(thing).__name__
