"""A cheap stand-in for iLink: one epoll loop in a process of its own, made to cost little and to hold many polls.

It knows no rules (the sandbox does): polls are held, sends are accepted at once and counted. Prints
`{"port": …}` when it listens. Arguments: `--hold SECONDS` (35).

    POST /ilink/bot/getupdates     held, then an empty answer; a message at once when one is waiting for the bot
    POST /ilink/bot/sendmessage    `{"ret":0,"message_id":"…"}`, counted by `to_user_id`
    anything else under /ilink/    `{"ret":0}`
    GET  /control/stats            open polls, calls so far, texts accepted for each user; the time of the last text on
                                   the monotonic clock, and the least gap between two texts to one user
    POST /control/inbound          `{"<bot token>": "<user id>", …}`: each of these users writes a word to the bot
"""

import argparse
import json
import resource
import select
import socket
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field

BACKLOG = 4096
"""All channels of a daemon connect within a few seconds."""


@dataclass
class Peer:
    """One connection. `poll` numbers the poll it holds open, 0 for none."""

    sock: socket.socket
    unread: bytes = b""
    poll: int = 0
    token: str = ""


@dataclass
class Upstream:
    """The loop. `held` is in order of deadlines, since every poll is held for the same time."""

    hold: float
    listener: socket.socket
    poller: select.epoll = field(default_factory=select.epoll)
    peers: dict[int, Peer] = field(default_factory=dict)
    held: deque[tuple[float, int, Peer]] = field(default_factory=deque)
    polling: dict[str, Peer] = field(default_factory=dict)
    inbound: dict[str, str] = field(default_factory=dict)
    accepted: Counter[str] = field(default_factory=Counter)
    polls: int = 0
    sends: int = 0
    sent_at: dict[str, float] = field(default_factory=dict)
    least_gap: float = 1e9
    other_calls: int = 0

    def run(self) -> None:
        """Serve until the process is told to end."""
        self.listener.setblocking(False)
        self.poller.register(self.listener.fileno(), select.EPOLLIN)
        while True:
            wait = max(0.0, self.held[0][0] - time.monotonic()) if self.held else -1
            for fd, _ in self.poller.poll(wait):
                if fd == self.listener.fileno():
                    self._accept()
                elif peer := self.peers.get(fd):
                    self._receive(peer)
            self._end_holds()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.peers[sock.fileno()] = Peer(sock)
            self.poller.register(sock.fileno(), select.EPOLLIN)

    def _receive(self, peer: Peer) -> None:
        try:
            data = peer.sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._forget(peer)
            return
        peer.unread += data
        while (end := peer.unread.find(b"\r\n\r\n")) >= 0:
            head = peer.unread[:end].lower()
            mark = head.find(b"\r\ncontent-length:")
            length = int(head[mark + 17 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
            if len(peer.unread) < end + 4 + length:
                return
            whole, peer.unread = peer.unread[: end + 4 + length], peer.unread[end + 4 + length :]
            self._request(peer, whole[:end], head, whole[end + 4 :])

    def _forget(self, peer: Peer) -> None:
        del self.peers[peer.sock.fileno()]
        self._end_poll(peer)
        self.poller.unregister(peer.sock.fileno())
        peer.sock.close()

    def _request(self, peer: Peer, head: bytes, lower: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path == b"/ilink/bot/getupdates":
            mark = lower.find(b"\r\nauthorization: bearer ") + 24
            self._poll(peer, head[mark:].split(b"\r\n", 1)[0].decode())
        elif path == b"/ilink/bot/sendmessage":
            self._send(json.loads(body)["msg"]["to_user_id"])
            self._answer(peer, b'{"ret":0,"message_id":"%d"}' % (7_497_484_083_000_000_000 + self.sends))
        elif path == b"/control/stats":
            peer.sock.setblocking(True)  # with many users it is larger than the socket's buffer
            self._answer(peer, json.dumps(self._stats()).encode())
            peer.sock.setblocking(False)
        elif path == b"/control/inbound":
            self._deliver(json.loads(body))
            self._answer(peer, b"{}")
        else:
            self.other_calls += 1
            self._answer(peer, b'{"ret":0}')

    def _send(self, user: str) -> None:
        now = time.monotonic()
        self.least_gap = min(self.least_gap, now - self.sent_at.get(user, -1e9))
        self.sent_at[user] = now
        self.sends += 1
        self.accepted[user] += 1

    def _poll(self, peer: Peer, token: str) -> None:
        self.polls += 1
        peer.poll, peer.token = self.polls, token
        self.polling[token] = peer
        if token in self.inbound:
            self._answer_poll(peer)
        else:
            self.held.append((time.monotonic() + self.hold, peer.poll, peer))

    def _end_poll(self, peer: Peer) -> None:
        if self.polling.get(peer.token) is peer:
            del self.polling[peer.token]
        peer.poll = 0

    def _end_holds(self) -> None:
        now = time.monotonic()
        while self.held and self.held[0][0] <= now:
            _, poll, peer = self.held.popleft()
            if peer.poll == poll:
                self._answer_poll(peer)

    def _deliver(self, messages: dict[str, str]) -> None:
        self.inbound.update(messages)
        for token in messages:
            if peer := self.polling.get(token):
                self._answer_poll(peer)

    def _answer_poll(self, peer: Peer) -> None:
        number = peer.poll
        user = self.inbound.pop(peer.token, None)
        self._end_poll(peer)
        answer: dict[str, object] = {"ret": 0, "msgs": [], "get_updates_buf": f"cursor-{number}"}
        if user is not None:
            answer["msgs"] = [_message(number, user, peer.token)]
        self._answer(peer, json.dumps(answer).encode())

    def _answer(self, peer: Peer, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        with suppress(OSError):  # the client has gone; its end of stream is received next
            peer.sock.sendall(head + body)

    def _stats(self) -> dict[str, object]:
        return {
            "open_polls": len(self.polling),
            "polls": self.polls,
            "sends": self.sends,
            "last_send_at": max(self.sent_at.values(), default=0.0),
            "least_gap": self.least_gap,
            "other_calls": self.other_calls,
            "connections": len(self.peers),
            "accepted": self.accepted,
        }


def _message(number: int, user: str, token: str) -> dict[str, object]:
    bot = token.split(":", 1)[0]
    return {
        "seq": number,
        "message_id": str(7_400_000_000_000_000_000 + number),
        "from_user_id": user,
        "to_user_id": bot,
        "create_time_ms": int(time.time() * 1000),
        "session_id": f"{user}#{bot}",
        "group_id": "",
        "message_type": 1,
        "message_state": 2,
        "context_token": f"context-{number}",
        "item_list": [{"type": 1, "text_item": {"text": "hello"}}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hold", type=float, default=35.0)
    hold = parser.parse_args().hold
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        Upstream(hold, listener).run()


if __name__ == "__main__":
    main()
