"""Logs are events on one stream: ours through structlog, those of libraries from warnings upward.

Every event passes one mask on its way out (S5), because a log is copied to places that nobody planned for: values of
type ``Secret`` and under telling keys become stars, addresses lose user-info and query, phone numbers stay away.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from archiver.model.secret import Secret

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Format: TypeAlias = Literal["json", "console", "auto"]

_STARS: Final = "********"
_SECRET_KEY: Final = re.compile(
    r"token|secret|passw|passphrase|authorization|cookie|signature|api_?key|access_?key|private_?key|(^|_)(dsn|jwt|proxy)$"
    r"|(^|_)(from|to|phone|caller|callee)(_id)?_number$|^number$",
    re.IGNORECASE,
)
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s@]*@")
_QUERY: Final = re.compile(r"(\b\w+://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_CREDENTIALS: Final = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # escapes that a terminal would obey
_DEEPEST: Final = 8


def configure(level: Level, format: Format, stream: TextIO | None = None) -> None:  # noqa: A002 - the option's name
    """Send events of at least ``level`` to ``stream`` (stderr); may be called again.

    ``auto`` is ``console`` on a terminal, else ``json``.
    """
    stream = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    is_console = format == "console" or (format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [
        _TellErrors(with_traceback=threshold <= logging.DEBUG),
        mask,
        _for_people(stream) if is_console else structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    _route_libraries(shared, last, max(threshold, logging.WARNING), stream)


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide what nobody should read in a log: the last step before an event becomes text."""
    return {key: _masked(key, value, _DEEPEST) for key, value in event.items()}


class _TellErrors:
    """Turns an exception into ``error`` and ``error_type``; its traceback is only for debugging."""

    def __init__(self, *, with_traceback: bool) -> None:
        self._with_traceback = with_traceback

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        raised = event.pop("exc_info", None)
        error = sys.exc_info()[1] if raised is True else raised[1] if isinstance(raised, tuple) else raised
        if isinstance(error, BaseException):
            event["error"], event["error_type"] = str(error), type(error).__name__
            if self._with_traceback:
                event["exception"] = "".join(traceback.format_exception(error))
        return event


def _for_people(stream: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _route_libraries(shared: Iterable[Processor], last: Iterable[Processor], level: int, stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _masked(key: str, value: object, depth: int) -> object:
    """The value without secrets, made of nothing but what JSON knows."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret) or _SECRET_KEY.search(key) or depth == 0:
        return _STARS
    if isinstance(value, Mapping):
        return {str(name): _masked(str(name), member, depth - 1) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(key, member, depth - 1) for member in value]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = _CONTROL.sub("\ufffd", text)
    return _CREDENTIALS.sub(rf"\1 {_STARS}", _QUERY.sub(r"\1", _USER_INFO.sub("", text)))
