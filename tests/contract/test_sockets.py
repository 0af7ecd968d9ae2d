"""The contract over real sockets: TCP and the operator's Unix socket, the real clock, threads for the database."""

from pathlib import Path

import httpx
import pytest
import trio

from tests.contract.live import WITHIN_S, Live, open_live
from tests.support.http import PUBLIC_CODE


async def raw(live: Live, request: bytes) -> bytes:
    """One request as bytes, and all that comes back until the server closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", live.port)
    async with stream:
        await stream.send_all(request)
        parts = [part async for part in stream]
    return b"".join(parts)


async def test_over_tcp(tmp_path: Path) -> None:
    async with open_live(tmp_path) as live:
        browser, url = live.browser, f"/{live.key}.send"
        answer = await browser.post(url, json={"title": "经过套接字"})
        assert answer.json()["message"] == "success"
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert live.sandbox.read(live.user)[-1].text == "经过套接字"
        head = await browser.head(url, params={"title": "x"})
        assert (head.status_code, head.content) == (405, b"")
        preflight = await browser.options(url, headers={"origin": "https://a.example"})
        assert (preflight.status_code, preflight.content) == (204, b"")
        for content in (b"x" * 2_097_152, b'{"title": "' + b"x" * 2_097_152 + b'"}'):
            for path in (url, "/api/auth/login"):
                answer = await browser.post(path, content=content)
                assert answer.status_code == 413
                assert answer.json().get("code", 40000) == 40000
        assert (await browser.get("/healthz")).text == "ok"
        long = "字" * 1800
        answer = await browser.get(url, params={"title": "长", "desp": long})
        assert answer.json()["message"] == "success"
        assert len(live.sandbox.read(live.user)) == 2


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/%00.send?title=x", b"200"),
        (b"/%ED%A0%80.send?title=x", b"200"),
        (b"/%FF%FE.send?title=x", b"200"),
        (b"/x.send?title=%00", b"400"),
        (b"/x.send?title=%FF", b"400"),
        (b"/" + b"k" * 10_000 + b".send?title=x", b"200"),
        (b"/nothing?" + b"a" * 30_000, b"404"),
    ],
)
async def test_raw_targets(tmp_path: Path, capfd: pytest.CaptureFixture[str], target: bytes, status: bytes) -> None:
    async with open_live(tmp_path) as live:
        request = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await raw(live, request)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == status
        assert b"application/json" in head
        assert body.startswith(b'{"code":40')
        assert b"Traceback" not in answer
        assert capfd.readouterr().err == ""


async def test_a_client_that_leaves_changes_nothing(tmp_path: Path) -> None:
    async with open_live(tmp_path) as live:
        body = b'{"title": "gone", "wait": 20}'
        head = b"POST /%s.send HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (live.key.encode(), len(body))
        for request in (head + body[:5], head, head + body):
            stream = await trio.open_tcp_stream("127.0.0.1", live.port)
            await stream.send_all(request)
            if request == head + body:
                # it is read whole before we are seen to have gone
                with trio.fail_after(WITHIN_S):
                    await live.sandbox.until(lambda: bool(live.sandbox.read(live.user)))
            await stream.aclose()
        answer = await live.browser.post(f"/{live.key}.send", json={"title": "stayed"})
        assert answer.json()["message"] == "success"
        assert [message.text for message in live.sandbox.read(live.user)] == ["gone", "stayed"]


async def test_the_operators_socket_serves_the_same(tmp_path: Path) -> None:
    async with open_live(tmp_path) as live:
        assert live.door.stat().st_mode & 0o777 == 0o600
        door = httpx.AsyncHTTPTransport(uds=str(live.door))
        async with httpx.AsyncClient(transport=door, base_url="http://operator", timeout=WITHIN_S) as operator:
            assert (await operator.get("/healthz")).text == "ok"
            answer = await operator.post(f"/send/{live.key}", data={"title": "门内"})
            assert answer.json()["message"] == "success"
            assert (await operator.post("/no.send", data={"title": "x"})).json()["code"] == 40001
            code = (await operator.post(PUBLIC_CODE)).json()["data"]["qrcode"]
            assert live.daemon.pictures.bindings[code].ip == "operator"
