"""The HTTP server: our own accept loop over sockets that the caller opened, TCP and Unix side by side.

`hypercorn.trio.serve` is not used, because whatever one bad connection throws there ends it for everybody, and because
it closes the sockets it is given. Here a restart of the server keeps its port: clients that come meanwhile wait in the
kernel's queue.
"""

import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from logging import getLogger

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState, LifespanState

from bottalk.http.connection import Connection, Shared
from bottalk.http.direct import Direct


@dataclass(frozen=True)
class ServerSettings:
    """Times in seconds, sizes in bytes."""

    graceful_timeout: float = 21.0
    """What requests under way get when the server stops: the longest `wait` of a push (20) and one more."""
    keep_alive_timeout: float = 75.0
    """How long a connection may rest between requests: nginx keeps its upstream connections for 60."""
    read_timeout: float = 30.0
    """For a head from its first byte to its last, and between two pieces of a body. A client that waits for its answer
    is never too slow."""
    write_timeout: float = 30.0
    """For a client to take the bytes of one send, usually a whole answer."""
    backlog: int = 1024
    """Connections the kernel keeps for us until they are accepted, each socket; it caps the number by itself."""
    h11_max_incomplete_size: int = 64 * 1024
    """Largest head. A GET with 1,800 Chinese characters is larger than hypercorn's 16 KiB."""


async def serve(
    app: ASGIFramework,
    sockets: Sequence[socket.socket],
    settings: ServerSettings,
    *,
    stopping: trio.Event,
    on_bad_connection: Callable[[BaseException], None],
    direct: Direct | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on bound stream sockets until `stopping` is set, then close down in order and return.

    Calls `started()` once every socket is accepting. The sockets stay open and the caller's: the server works on
    duplicates and closes those (it switches the sockets to non-blocking, which duplicates share). `scope["server"]` is
    None for a request that came through a Unix socket, and `scope["client"]` too.

    `direct` answers its routes inside the connections' own tasks, before the app.

    When `stopping` is set: nothing more is accepted, idle connections are closed at once, requests under way may finish
    within `graceful_timeout` (their answers say `Connection: close`), and what is left is cancelled.

    `on_bad_connection` is told, in an exception group, what a connection or the app threw; it costs that connection or
    answer alone (an app that threw before answering has a 500 sent). It must not raise. A client that leaves has its
    request cancelled by Quart (`http.disconnect`) and is not reported.

    A cancel stops everything at once. Raises, in groups: OSError if a socket cannot be listened on or accept fails for
    good (running out of file descriptors does not: `trio.serve_listeners` logs it and tries again), and
    hypercorn.utils.LifespanFailureError if the app fails to start.
    """
    config = _hypercorn_config(settings)
    wrapped = ASGIWrapper(app)
    state: LifespanState = {}
    lifespan = Lifespan(wrapped, config, state)
    async with trio.open_nursery() as app_life:
        await _start_app(lifespan, app_life)
        shared = Shared(
            app=wrapped,
            config=config,
            context=WorkerContext(None),
            state=ConnectionState(state),
            keep_alive_timeout=settings.keep_alive_timeout,
            read_timeout=settings.read_timeout,
            write_timeout=settings.write_timeout,
            on_error=on_bad_connection,
            direct=direct,
        )
        async with trio.open_nursery() as connections:
            await _accept_until(stopping, sockets, settings, partial(_serve_one, shared), connections, task_status)
            await shared.context.terminated.set()
            for connection in tuple(shared.open):
                connection.close_if_idle()
            connections.cancel_scope.deadline = trio.current_time() + settings.graceful_timeout
        if not lifespan.shutdown.is_set():  # else its task has ended, and hypercorn would speak into a closed channel
            await lifespan.wait_for_shutdown()
        app_life.cancel_scope.cancel()


async def _start_app(lifespan: Lifespan, nursery: trio.Nursery) -> None:
    """Run the app's lifespan in `nursery` and wait until it has started, or fails there."""
    ended = trio.Event()

    async def live() -> None:
        await lifespan.handle_lifespan()
        ended.set()

    nursery.start_soon(live)
    await lifespan.wait_for_startup()
    if lifespan.shutdown.is_set():
        # Its task is ending. If with an exception, that cancels us here; hypercorn would go on to accept clients.
        await ended.wait()


async def _accept_until(
    stopping: trio.Event,
    sockets: Sequence[socket.socket],
    settings: ServerSettings,
    handler: Callable[[trio.SocketStream], Awaitable[object]],
    connections: trio.Nursery,
    task_status: trio.TaskStatus[None],
) -> None:
    """Accept on duplicates of `sockets`, each client a task in `connections`, until `stopping` is set."""
    with ExitStack() as stack:
        listeners = []
        for sock in sockets:
            duplicate = stack.enter_context(sock.dup())
            duplicate.listen(settings.backlog)
            listeners.append(trio.SocketListener(trio.socket.from_stdlib_socket(duplicate)))
        async with trio.open_nursery() as accepting:
            await accepting.start(partial(trio.serve_listeners, handler, listeners, handler_nursery=connections))
            task_status.started()
            await stopping.wait()
            accepting.cancel_scope.cancel()


async def _serve_one(shared: Shared, stream: trio.SocketStream) -> None:
    """One connection from accept to close; its faults end here. trio closes the stream."""
    try:
        await Connection(shared, stream).run()
    except* Exception as errors:
        shared.on_error(errors)


def _hypercorn_config(settings: ServerSettings) -> Config:
    config = Config()
    config.h11_max_incomplete_size = settings.h11_max_incomplete_size
    config.keep_alive_max_requests = sys.maxsize  # hypercorn closes a busy connection after 1,000
    config.accesslog = None  # ours is written by the app; hypercorn's copies all of os.environ for each request
    config.errorlog = getLogger("bottalk.http")  # a Logger is used as it is; otherwise hypercorn adds handlers
    config.include_server_header = False
    return config
