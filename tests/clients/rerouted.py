"""Brings clients whose host is fixed in their code to the daemon, by environment variables alone.

`https://sctapi.ftqq.com/…` and `https://….push.ft07.com/…` are asked for through a proxy (HTTPS_PROXY), which answers
in their name with a certificate of an authority made here (REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS) and passes on what
it deciphers. So their code, their TLS and their certificate check are those of every day; no root, no /etc/hosts.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import trio
import trustme

HOSTS = ("sctapi.ftqq.com", "*.push.ft07.com")
_HEAD = 8192
"""Bytes that a CONNECT may have."""


@dataclass(slots=True)
class Detour:
    """`env` sends a program over it; `asked` names the hosts, in the order of the connections."""

    env: dict[str, str]
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def rerouted(url: str, directory: Path) -> AsyncIterator[Detour]:
    """The detour to the daemon at `url`. The authority's certificate is put into `directory`."""
    authority = trustme.CA()
    bundle = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    detour = Detour(
        {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "REQUESTS_CA_BUNDLE": str(bundle),
            "NODE_EXTRA_CA_CERTS": str(bundle),
            "NODE_USE_ENV_PROXY": "1",  # Node 24.5 and later heed HTTPS_PROXY when told to
        }
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, partial(_serve, detour, context, url), listeners)
        yield detour
        nursery.cancel_scope.cancel()


async def _serve(detour: Detour, context: ssl.SSLContext, url: str, client: trio.SocketStream) -> None:
    """One CONNECT: any host is taken on; whether that is believed is for the certificate to decide."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD:
        piece = await client.receive_some()
        if not piece:
            return
        head += piece
    method, target, _ = head.decode("ascii").split(" ", 2)
    assert method == "CONNECT", head
    detour.asked.append(target)
    await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
    tls = trio.SSLStream(client, context, server_side=True, https_compatible=True)
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    async with await trio.open_tcp_stream(where.hostname, where.port) as daemon, trio.open_nursery() as nursery:
        nursery.start_soon(_pass_on, tls, daemon, nursery.cancel_scope)
        nursery.start_soon(_pass_on, daemon, tls, nursery.cancel_scope)


async def _pass_on(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream, both: trio.CancelScope) -> None:
    """Until one side hangs up; an answer is whole by then, since it is what the sides hang up after."""
    try:
        while piece := await source.receive_some():
            await sink.send_all(piece)
    except trio.BrokenResourceError:
        pass  # a client that has what it wants need not say goodbye
    both.cancel()
