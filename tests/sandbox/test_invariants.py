"""Whatever people, clients and switches do in whatever order, the sandbox keeps its own rules."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.phone import PhoneError
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import PROFILES
from tests.sandbox.client import Client, connect, make_sandbox

USERS = ["Ann@im.wechat", "Bo@im.wechat"]
FAULTS = [
    Fault(kind="lost_answer"),
    Fault(kind="lost_updates"),
    Fault(kind="reset", when="after"),
    Fault(kind="delay", when="after", delay_s=40),
    Fault(kind="duplicate_inbound", variant="same_id"),
    Fault(kind="duplicate_inbound", variant="fresh_token"),
    Fault(kind="group_message"),
    Fault(kind="no_message_id"),
    Fault(kind="echo_bot_message"),
    Fault(kind="cursor_regression"),
    Fault(kind="refuse_connections", seconds=20),
]
CHANGES: list[dict[str, object]] = [
    {"quota": 3},
    {"quota": None},
    {"quota_scope": "token"},
    {"quota_scope": "user"},
    {"cursor_mode": "replay"},
    {"cursor_mode": "consume"},
    {"context_check": "known"},
    {"context_check": "drop"},
    {"dup_client_id": "dedupe"},
    {"window_s": 100},
    {"second_poller": "supersede"},
    {"second_poller": "reject"},
    {"inbound_dup": 1, "inbound_dup_kind": "fresh_token"},
    {"takeover_delay_s": 29},
    {"burst": ()},
]
SWITCHES = [
    "expire", "takeover", "doze", "half_dead", "silent_drop", "backlog", "penalize", "forgive", "lift", "recover",
]  # fmt: skip

user = st.sampled_from(USERS)
operation = st.one_of(
    st.tuples(st.just("write"), user),
    st.tuples(st.just("write"), user),
    st.tuples(st.just("revive"), user),
    st.tuples(st.just("revive"), user),
    st.tuples(st.just("send"), user, st.sampled_from(["latest", "first", "none", "made up"]), st.integers(0, 3)),
    st.tuples(st.just("send"), user, st.just("latest"), st.integers(0, 3)),
    st.tuples(st.just("spend"), user),
    st.tuples(st.just("send"), user, st.just("latest"), st.integers(0, 3)),
    st.tuples(st.just("poll"), user),
    st.tuples(st.just("later"), user),
    st.tuples(st.just("pass"), st.sampled_from([0.3, 1.0, 7.0, 61.0, 400.0, 90_000.0])),
    st.tuples(st.just("age"), user, st.sampled_from([50.0, 90_000.0])),
    st.tuples(st.just("switch"), user, st.sampled_from(SWITCHES)),
    st.tuples(st.just("arm"), st.sampled_from(FAULTS)),
    st.tuples(st.just("set"), st.sampled_from(CHANGES)),
)


class Play:
    """One random play: the operations, with the tokens a client would know."""

    def __init__(self, sandbox: Sandbox, nursery: trio.Nursery) -> None:
        self.sandbox, self.nursery = sandbox, nursery
        self.client: Client = connect(sandbox)
        self.contexts: dict[str, list[str]] = {}
        self.cursors: dict[str, str] = {}

    async def step(self, name: str, *args: object) -> None:
        with suppress(httpx.TransportError, PhoneError):  # a fault struck, or no live bot: part of the play
            await getattr(self, f"do_{name}")(*args)
        self.sandbox.check_invariants()

    async def do_write(self, who: str) -> None:
        self.sandbox.write(who)

    async def do_revive(self, who: str) -> None:
        """Bind again if need be, and write a word."""
        if self.sandbox.window(who) == "none":
            self.sandbox.takeover(who)
        self.sandbox.write(who)

    async def do_send(self, who: str, context: str, client_id: int) -> None:
        known = self.contexts.get(who, [])
        token = {"latest": known[-1:], "first": known[:1], "made up": ["AARzJW?"], "none": []}[context]
        await self._each_bot(
            who,
            lambda bot: self.client.send(bot, context=token[0] if token else None, client_id=f"c:{client_id}", to=who),
        )

    async def do_spend(self, who: str) -> None:
        for number in range(12):
            await self.do_send(who, "latest", number)
            await trio.sleep(1.1)

    async def do_poll(self, who: str) -> None:
        await self._each_bot(who, lambda bot: self._poll(who, bot))

    async def do_later(self, who: str) -> None:
        self.nursery.start_soon(self.step, "poll", who)

    async def do_pass(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def do_age(self, who: str, seconds: float) -> None:
        self.sandbox.age_window(who, seconds)

    async def do_switch(self, who: str, name: str) -> None:
        if name == "lift":
            self.sandbox.backlog(who, on=False)
        elif name == "recover":
            self.sandbox.half_dead(who, on=False)
            self.sandbox.silent_drop(who, on=False)
        else:
            getattr(self.sandbox, name)(who)

    async def do_arm(self, fault: Fault) -> None:
        self.sandbox.arm(fault)

    async def do_set(self, changes: dict[str, object]) -> None:
        self.sandbox.set(**changes)

    async def _each_bot(self, who: str, call: Callable[[str], Awaitable[Any]]) -> None:
        """The newest bot and the one before it, whose token an old client may still hold."""
        for session in [each for each in self.sandbox.sessions if each.user == who][-2:]:
            await call(session.token)

    async def _poll(self, who: str, bot: str) -> None:
        with trio.move_on_after(8):
            answer = await self.client.poll(bot, self.cursors.get(bot, ""))
            self.cursors[bot] = answer.get("get_updates_buf") or self.cursors.get(bot, "")
            tokens = [message["context_token"] for message in answer.get("msgs", ()) if "context_token" in message]
            self.contexts.setdefault(who, []).extend(tokens)


async def play(profile: str, operations: list[tuple[Any, ...]]) -> None:
    sandbox = make_sandbox(PROFILES[profile])
    async with trio.open_nursery() as nursery:
        stage = Play(sandbox, nursery)
        for who in USERS:
            sandbox.takeover(who)
            await stage.step("write", who)
        for operation in operations:
            await stage.step(*operation)
    sandbox.disarm()
    for who in USERS:
        sandbox.backlog(who, on=False)
    sandbox.check_invariants()
    assert all(not session.polls for session in sandbox.sessions)


@given(st.sampled_from(sorted(PROFILES)), st.lists(operation, min_size=50, max_size=150))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_sandbox_keeps_its_own_rules(profile: str, operations: list[tuple[Any, ...]]) -> None:
    trio.run(play, profile, operations, clock=MockClock(autojump_threshold=0))
