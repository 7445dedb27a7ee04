"""Logs: one line of JSON per event on standard error, from the level that `CLEARANCE_LOG_LEVEL`
names.

No secrets, no content. A warning that repeats is counted, and not written again.
"""

from __future__ import annotations

import atexit
import copy
import json
import logging
import sys
import time

import structlog

from clearance.running.repeats import Kind, Repeats
from clearance.tools.masking import masked_everywhere

LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)
_COMMON_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    _STAMP,
]
_COUNTED = frozenset({"warning", "error", "critical"})


def _report(kind: Kind, left_out: int) -> None:
    logger, level, event = kind
    line = {"event": event, "repeated": left_out, "level": level, "logger": logger}
    stamped = _STAMP(None, level, {key: value for key, value in line.items() if value})
    print(json.dumps(stamped), file=sys.stderr)  # noqa: T201


_repeats = Repeats(_report, time.monotonic)
atexit.register(_repeats.end)


def configure_logs(level: str, *, repeats: bool = False) -> None:
    """Sets where logs go and what is logged, for the whole process.

    An unknown level means `warning`. `repeats`: every line is written, also one that repeats.
    """
    number = LEVELS.get(level.lower(), logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_COMMON_PROCESSORS,
            structlog.processors.format_exc_info,
            *([] if repeats else [_count_ours]),
            structlog.processors.JSONRenderer(),
            lambda _logger, _level, line: masked_everywhere(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    if not repeats:
        handler.addFilter(_is_new)
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    # Libraries log what they send, arguments of tools too: below WARNING nothing, whatever their
    # own loggers are set to.
    logging.disable(logging.INFO)


def _count_ours(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Ours, in the place of a processor."""
    level = str(line["level"])
    values = repr(sorted((key, line[key]) for key in line.keys() - {"timestamp"}))
    if level in _COUNTED and not _repeats.is_new(("", level, str(line["event"])), values):
        raise structlog.DropEvent
    return line


def _is_new(record: logging.LogRecord) -> bool:
    """Those of libraries, in the place of a filter."""
    level, error = record.levelname.lower(), record.exc_info and record.exc_info[1]
    values = (record.getMessage(), repr(error))
    return level not in _COUNTED or _repeats.is_new((record.name, level, str(record.msg)), values)


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
