"""The sandbox without a socket: an httpx transport that calls it in the same process, in virtual time if need be."""

from collections.abc import AsyncIterator

import httpx
import trio

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.wire import Answer, ConnectionCutError, NobodyListensError, Request


def transport(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
    """A transport that carries every request, whatever its host, to this sandbox.

    httpx's time-outs are obeyed as over a socket: `read` runs from the request to the answer. Faults of the connection
    become the httpx errors that a socket would give: ConnectError, ReadError, RemoteProtocolError.
    """
    return _SandboxTransport(sandbox)


class _SandboxTransport(httpx.AsyncBaseTransport):
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ReadTimeout, ConnectError, ReadError; a cancel is the client hanging up."""
        body = await request.aread()
        url = request.url
        call = Request(
            request.method,
            url.path,
            dict(url.params.multi_items()),
            {name.lower(): value for name, value in request.headers.items()},
            body,
            f"{url.scheme}://{url.netloc.decode('ascii')}",
        )
        timeout = request.extensions.get("timeout", {}).get("read")
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            try:
                return _response(request, await self._sandbox.handle(call))
            except NobodyListensError as error:
                raise httpx.ConnectError("connection refused", request=request) from error
            except ConnectionCutError as error:
                if error.answer is None:
                    raise httpx.ReadError("connection reset", request=request) from error
                return _cut_response(request, error.answer, error.sent)
        raise httpx.ReadTimeout("no answer in time", request=request)


def _response(request: httpx.Request, answer: Answer) -> httpx.Response:
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    return httpx.Response(answer.status, headers=headers, stream=httpx.ByteStream(answer.body), request=request)


def _cut_response(request: httpx.Request, answer: Answer, sent: int) -> httpx.Response:
    headers = {**answer.headers, "content-length": str(max(len(answer.body), sent + 1))}
    return httpx.Response(answer.status, headers=headers, stream=_CutStream(answer.body[:sent]), request=request)


class _CutStream(httpx.AsyncByteStream):
    """A body that ends before its Content-Length says so."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
