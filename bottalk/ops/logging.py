"""Logs: structlog, one line per event, to standard error. Secrets are values that do not print.

A line costs some microseconds, one that is below the level next to nothing: there are two for each push. Level and
format can be set anew while the daemon runs: loggers are made once, and look at what is set here.
"""

import logging
import sys
import time
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from bottalk.config import Config
from bottalk.tracing import request_id


class _Logger(structlog.BoundLoggerBase):
    """Its methods are those of the level that is set."""


_processors: list[Processor] = []


def configure(config: Config) -> None:
    """Set level and format, now or anew, and route the standard library's warnings through structlog."""
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    as_json = config.log_format == "json" or (config.log_format == "auto" and not sys.stderr.isatty())
    for name, method in vars(structlog.make_filtering_bound_logger(level)).items():
        if not name.startswith("__"):
            setattr(_Logger, name, method)
    # its default would show every local variable of a traceback, tokens too
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [_with_request, structlog.processors.add_log_level, stamp]
    _processors[:] = [JsonLine()] if as_json else [*shared, console, _encoded]
    structlog.configure(
        processors=_processors,
        wrapper_class=_Logger,
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [console]
    )
    handler = logging.StreamHandler(sys.stderr)
    removed = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[removed, *last]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


class JsonLine:
    """The only processor of JSON: time (UTC), level and event first, then what the event says, in one line."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder(enc_hook=repr).encode
        self._second = 0
        self._text = ""

    def __call__(self, logger: object, method: str, event: EventDict) -> bytes:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(None, method, event)
        request = request_id.get()
        said: dict[str, Any] = {
            "timestamp": self._now(),
            "level": "error" if method == "exception" else method,
            "event": event.pop("event", ""),
        }
        if request:
            said["request"] = request
        said.update(event)
        try:
            return self._encode(said)
        except (TypeError, ValueError):  # a text that is no Unicode, a key that is no text: say it all the same
            return self._encode({key: _readable(value) for key, value in said.items()})

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((now - second) * 1000):03d}Z"


def _readable(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def _with_request(logger: object, method: str, event: EventDict) -> EventDict:
    request = request_id.get()
    if request:
        event.setdefault("request", request)
    return event


def _encoded(logger: object, method: str, line: Any) -> bytes:  # noqa: ANN401 - what the renderer before has made
    return str(line).encode("utf-8", "replace")
