"""The sandbox on a port: hypercorn's HTTP over an accept loop of our own.

`hypercorn.trio.serve` would do but for two things: a fault needs the socket of its call to reset it, and whatever one
bad connection throws there ends the server.
"""

import sys
from functools import partial
from logging import getLogger

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from bottalk.sandbox.app import create_app
from bottalk.sandbox.bridge import STREAM_KEY
from bottalk.sandbox.core import Sandbox

BACKLOG = 4_096
"""The kernel caps it; a daemon with thousands of channels connects all at once."""
KEEP_ALIVE_S = 75.0
MAX_HEAD_BYTES = 64 * 1024

__all__ = ["create_app", "serve"]

_log = getLogger("bottalk.sandbox")


async def serve(
    sandbox: Sandbox,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve iLink, the control API and the phone page until cancelled; calls `started(url)` once it accepts.

    Port 0: the kernel chooses. There is no protection of any kind: keep it on loopback. A cancel closes everything at
    once, held polls too. A `refuse_connections` fault resets a connection when a call for iLink comes over it: the
    phone page and the control API share the port and stay reachable. Raises OSError if the address cannot be bound.
    """
    config = _hypercorn_config()
    wrapped = ASGIWrapper(create_app(sandbox))
    # Quart's lifespan is not run: this app has nothing to start or stop.
    context = WorkerContext(None)

    async def serve_one(stream: trio.SocketStream) -> None:
        state = ConnectionState({STREAM_KEY: stream})
        try:
            await TCPServer(wrapped, config, context, state, stream)  # type: ignore[arg-type]  # takes plain streams too
        except* Exception:
            # Bytes that hypercorn cannot take must cost their own connection only.
            _log.exception("a connection to the sandbox failed")

    listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listeners[0].socket.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, serve_one, listeners))
        task_status.started(url)


def _hypercorn_config() -> Config:
    config = Config()
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = sys.maxsize
    config.accesslog = None
    config.errorlog = _log
    config.include_server_header = False
    return config
