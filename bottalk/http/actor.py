"""The http actor: serves the app on sockets that outlive it, so that its restart keeps the port."""

import socket
from collections.abc import Sequence

import structlog
import trio
from hypercorn.typing import ASGIFramework

from bottalk.http.direct import Direct
from bottalk.http.server import ServerSettings, serve
from supervisors import Child

log = structlog.get_logger()


class Web:
    """`direct` answers the push routes inside the connections' own tasks, before `app`."""

    def __init__(self, app: ASGIFramework, direct: Direct, sockets: Sequence[socket.socket]) -> None:
        self._app = app
        self._direct = direct
        self._sockets = sockets

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        await serve(
            self._app,
            self._sockets,
            ServerSettings(),
            stopping=child.stopping,
            on_bad_connection=_bad_connection,
            direct=self._direct,
            task_status=task_status,
        )


def _bad_connection(error: BaseException) -> None:
    log.warning("http.bad_connection", error=repr(error))
