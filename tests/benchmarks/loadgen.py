"""A cheap HTTP/1.1 load generator: keep-alive connections on one epoll loop, in a process of its own.

`python -m tests.benchmarks.loadgen < plan.json` runs a plan and prints its report as one line of JSON. Each connection
has one request under way at a time (a closed loop); the requests of the plan are taken in turn, over and over, or each
connection keeps to one of them. Only answers with a Content-Length are understood: that is all the servers measured
here give.
"""

import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, repeat

STALLED = 30.0
"""Seconds without any answer after which the run is given up."""


@dataclass(frozen=True)
class Target:
    """One request: POST of a form to `path`."""

    path: str
    body: str


@dataclass(frozen=True)
class Plan:
    """What to ask and for how long: it ends at `count` answers or after `seconds`, whichever comes first."""

    host: str
    port: int
    targets: Sequence[Target]
    clients: int = 1
    count: int = 1_000_000
    seconds: float = 60.0
    expect: str = ""
    """Text that a good answer's body holds."""
    each: int = 0
    """More than 0: the n-th client asks the n-th target, so many times."""


@dataclass(frozen=True)
class Report:
    """What came of a plan. Latencies in milliseconds, from before the send to the last byte of the answer."""

    answers: int
    seconds: float
    per_second: float
    p50: float
    p99: float
    largest: float
    statuses: dict[str, int]
    unexpected: int = 0
    sample: str = ""
    """The first unexpected answer."""
    reconnects: int = 0


@dataclass
class _Client:
    sock: socket.socket
    requests: Iterator[bytes]
    asked_at: float = 0.0
    unread: bytes = b""
    closing: bool = False
    """The last answer said `Connection: close`."""


@dataclass
class _Run:
    plan: Plan
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    unexpected: int = 0
    sample: str = ""
    reconnects: int = 0
    started: int = 0


def run(plan: Plan) -> Report:
    """Run `plan`. Raises OSError when the server cannot be reached, TimeoutError when it stops answering."""
    state = _Run(plan)
    expect = plan.expect.encode()
    poller = select.epoll()
    clients: dict[int, _Client] = {}

    def connect(requests: Iterator[bytes]) -> _Client:
        sock = socket.create_connection((plan.host, plan.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(sock, requests)
        clients[sock.fileno()] = client
        poller.register(sock.fileno(), select.EPOLLIN)
        return client

    def close(client: _Client) -> None:
        del clients[client.sock.fileno()]
        poller.unregister(client.sock.fileno())
        client.sock.close()

    def ask(client: _Client) -> bool:
        """False when it has nothing more to ask."""
        request = next(client.requests, None)
        if request is None or state.started >= plan.count or time.perf_counter() >= until:
            return False
        state.started += 1
        client.asked_at = time.perf_counter()
        client.sock.sendall(request)  # small: it always fits the socket's buffer
        return True

    waiting = [connect(requests) for requests in _requests(plan)]
    begin = time.perf_counter()
    until = begin + plan.seconds
    for client in waiting:
        ask(client)
    while clients:
        ready = poller.poll(STALLED)
        if not ready:
            raise TimeoutError(f"no answer for {STALLED:.0f} s")
        for fd, _ in ready:
            client = clients[fd]
            data = client.sock.recv(65536)
            if not data:  # the server closed: its right between two requests, a failure within one
                state.unexpected += 1
                state.sample = state.sample or "connection closed without an answer"
            elif not _take(state, client, data, expect):
                continue
            if not data or client.closing:
                close(client)
                client = connect(client.requests)
                state.reconnects += 1
            if not ask(client):
                close(client)
    return _report(state, time.perf_counter() - begin)


def _requests(plan: Plan) -> list[Iterator[bytes]]:
    """What each client asks."""
    every = [_request(plan, target) for target in plan.targets]
    if plan.each:
        return [repeat(request, plan.each) for _, request in zip(range(plan.clients), cycle(every), strict=False)]
    shared = cycle(every)
    return [shared for _ in range(min(plan.clients, plan.count))]


def _request(plan: Plan, target: Target) -> bytes:
    body = target.body.encode()
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nAccept: */*\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _take(state: _Run, client: _Client, data: bytes, expect: bytes) -> bool:
    """Add received bytes; True when the answer is whole, and counted."""
    data = client.unread + data
    end = data.find(b"\r\n\r\n")
    if end < 0:
        client.unread = data
        return False
    head = data[: end + 2].lower()
    mark = head.find(b"content-length:")
    if mark < 0:
        raise ValueError(f"an answer without Content-Length: {head!r}")
    if len(data) < end + 4 + int(head[mark + 15 : head.find(b"\r\n", mark)]):
        client.unread = data
        return False
    client.unread, client.closing = b"", b"\r\nconnection: close" in head
    state.latencies.append((time.perf_counter() - client.asked_at) * 1000)
    status = data[9:12].decode()
    state.statuses[status] += 1
    if status != "200" or expect not in data[end:]:
        state.unexpected += 1
        state.sample = state.sample or data[:2000].decode(errors="replace")
    return True


def _report(state: _Run, seconds: float) -> Report:
    ordered = sorted(state.latencies) or [0.0]
    return Report(
        answers=len(state.latencies),
        seconds=seconds,
        per_second=len(state.latencies) / seconds,
        p50=percentile(ordered, 50),
        p99=percentile(ordered, 99),
        largest=ordered[-1],
        statuses=dict(state.statuses),
        unexpected=state.unexpected,
        sample=state.sample,
        reconnects=state.reconnects,
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of a sorted sequence."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def plan_from_json(text: str) -> Plan:
    fields = json.loads(text)
    return Plan(**{**fields, "targets": [Target(**target) for target in fields["targets"]]})


if __name__ == "__main__":
    print(json.dumps(asdict(run(plan_from_json(sys.stdin.read())))))
