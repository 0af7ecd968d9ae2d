"""A random life on a stage: phones, pushes, orders, faults; at the end all is well again and everything drains."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import trio
from msgspec.structs import replace

from bottalk.errors import BotTalkError
from bottalk.messages import ChangeUser, RemoveUser, UserChanged
from bottalk.sandbox.phone import PhoneError
from bottalk.service.channels import NoCode
from bottalk.service.pushes import PushAnswer, PushForm
from bottalk.service.sessions import Visitor
from bottalk.values import Channel, ChannelId, RowStatus, Secret, UserId
from supervisors import SupervisionError
from tests.property.machine import Disk
from tests.property.stage import Run, Stage
from tests.property.steps import (
    Arm,
    Crash,
    FullDisk,
    Order,
    Push,
    Restart,
    Scan,
    Script,
    SetClock,
    Sleep,
    Step,
    Switch,
    Write,
)

IP = "192.0.2.1"


@dataclass(slots=True)
class Phone:
    """`key` is the SendKey that its person knows last."""

    number: int
    user: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A browser's page with a code that was scanned."""

    handle: str
    visitor: Visitor
    public: bool


@dataclass(slots=True, eq=False)
class Pushed:
    """One push as its caller knows it. `answer` None: cut off, so that nobody knows."""

    marker: str
    step: Push
    owner: UserId | None
    answer: PushAnswer | None = None

    @property
    def is_own(self) -> bool:
        """No other push has its text."""
        return self.step.size != "same" and self.step.key is None


@dataclass(slots=True)
class Life:
    stage: Stage
    nursery: trio.Nursery
    phones: list[Phone] = field(default_factory=list)
    pushed: list[Pushed] = field(default_factory=list)
    users: dict[ChannelId, str] = field(default_factory=dict)
    """Whose WeChat each channel is, deleted ones too."""
    left: set[UserId] = field(default_factory=set)
    """Accounts whose deletion was asked for."""
    was_silent: bool = False
    """iLink has swallowed messages without a word."""

    # --- the beginning ---

    async def begin(self, accounts: Sequence[int] = (2, 1), *, silent: int = 1) -> None:
        """Accounts with so many channels each, bound and active; the persons of the last `silent` have not written."""
        for channels in accounts:
            founder = len(self.phones)
            for number in range(founder, founder + channels):
                phone = Phone(number, self.stage.sandbox.new_user())
                self.phones.append(phone)
                with trio.fail_after(60):
                    await self.bind(phone, None if number == founder else self._owner(self.phones[founder]))
        for phone in self.phones[: len(self.phones) - silent]:
            self.stage.sandbox.write(phone.user)
        await trio.sleep(5)

    async def play(self, script: Script) -> None:
        for step, pause in script:
            await self._do(step)
            if pause:
                await trio.sleep(pause)

    async def _do(self, step: Step) -> None:
        stage, sandbox = self.stage, self.stage.sandbox
        match step:
            case Push(phone=phone):
                for _ in range(step.count):
                    self._push(self.phones[phone], step)
            case Write(phone=phone):
                for _ in range(step.times):
                    sandbox.write(self.phones[phone].user, step.text)
            case Arm(fault, whose):
                sandbox.arm(fault if whose is None else replace(fault, user=self.phones[whose].user))
            case Switch(phone=phone):
                self.switch(self.phones[phone], step)
            case Scan(phone=phone, own=own):
                owner = self._owner(self.phones[phone]) if own else None
                self._begin(lambda: self._bind_beside(self.phones[phone], owner))
            case Order(phone=phone, what=what):
                self._order(self.phones[phone], what)
            case SetClock(seconds):
                stage.set_clock(seconds)
            case Sleep(seconds):
                stage.sleep_machine(seconds)
            case Crash(endpoint, times, answered):
                stage.plant(endpoint, times, answered=answered)
            case FullDisk(seconds):
                stage.disk_was_full = stage.run.disk.is_full = True
                self.nursery.start_soon(self._free_disk, stage.run.disk, seconds)
            case Restart(ending, away, writes):
                await stage.end(ending)
                if writes:
                    sandbox.write(self.phones[0].user, "while you were away")
                await trio.sleep(away)
                await stage.start(self.nursery)

    # --- those who talk to the daemon ---

    def _begin(self, what: Callable[[], Awaitable[object]]) -> None:
        """Do it in a task of its own; a refusal is an answer, and whoever is cut off hears nothing."""
        run = self.stage.run
        run.callers.start_soon(self._call, run, what)

    async def _call(self, run: Run, what: Callable[[], Awaitable[object]]) -> None:
        run.under_way += 1
        try:
            await what()
        except (BotTalkError, SupervisionError, NoCode, PhoneError):
            pass
        finally:
            run.under_way -= 1

    def _push(self, phone: Phone, step: Push) -> None:
        marker = f"m{len(self.pushed):05}x" if step.key is None else f"k{phone.number}y{step.key}x"
        if step.size == "same" and step.key is None:
            marker = f"same{phone.number}x"
        channel = self.channel(phone)
        pushed = Pushed(marker, step, None if channel is None else channel.user_id)
        self.pushed.append(pushed)
        self._begin(lambda: self._send(phone, channel, pushed))

    async def _send(self, phone: Phone, channel: Channel | None, pushed: Pushed) -> None:
        step, services = pushed.step, self.stage.daemon.services
        own = "default" if channel is None else str(channel.id)
        form = PushForm(
            Secret(self._key(phone)),
            pushed.marker,
            "长文。" * 1000 if step.size == "long" else "",
            channel=own if step.to == "own" else step.to,
            wait=step.wait,
            ttl=step.ttl,
            delay=step.delay,
            replace_key=step.replace_key,
            priority=step.priority,
            idempotency_key=None if step.key is None else f"key-{step.key}",
        )
        pushed.answer = await services.pushes.push(form)
        self._check_answer(pushed, pushed.answer)

    def _check_answer(self, pushed: Pushed, answer: PushAnswer) -> None:
        """What a caller is told is true at that moment."""
        with self.stage.reading() as connection:
            found = connection.execute(
                "SELECT channel_id, status, settled_at, accepted_at FROM push_logs WHERE push_id = ? AND title = ?",
                (answer.push_id, pushed.marker),
            ).fetchall()
            if answer.refusal is not None and pushed.is_own:
                query = "SELECT count(*) FROM push_logs WHERE title = ?"
                if connection.execute(query, (pushed.marker,)).fetchone()[0]:
                    self.stage.breach(f"{pushed.marker} was refused ({answer.refusal.name}) and kept")
        rows = {row["channel_id"]: row for row in found}
        for told in answer.rows:
            row, outcome = rows.get(told.channel_id), told.outcome
            if row is None:
                if pushed.owner not in self.left:
                    self.stage.breach(f"{pushed.marker} was answered {outcome} and is not in the journal")
            elif outcome.status is RowStatus.SUCCESS and not self._is_accepted(pushed.marker, told.channel_id):
                self.stage.breach(f"{pushed.marker} was told as a success, and iLink never took it")
            elif not outcome.kept and outcome.status != row["status"]:
                self.stage.breach(f"{pushed.marker} was told as {outcome}, and is {row['status']}")

    def _is_accepted(self, marker: str, channel_id: ChannelId) -> bool:
        user = self.users.get(channel_id)
        return any(one.is_accepted and one.to == user and marker in one.text for one in self.stage.books.tries)

    async def bind(self, phone: Phone, owner: UserId | None) -> None:
        """A browser shows a code, the phone scans and confirms it, and the browser learns what came of it."""
        page = await self._scan(phone, owner)
        if page is not None:
            await self._learn(phone, page)

    async def _bind_beside(self, phone: Phone, owner: UserId | None) -> None:
        """The same, but a page that asks again and again is no caller whom a stop must answer."""
        page = await self._scan(phone, owner)
        if page is not None:
            self.stage.run.callers.start_soon(self._learn, phone, page)

    async def _scan(self, phone: Phone, owner: UserId | None) -> Page | None:
        services, sandbox = self.stage.daemon.services, self.stage.sandbox
        _, visitor = await services.sessions.open(owner)
        public = owner is None or visitor.user is None
        code = await services.channels.new_code(visitor, IP, public=public)
        handle = code.binding.code.reveal()
        if not sandbox.scan(handle, phone.user).ok:
            return None
        sandbox.confirm(handle)
        return Page(handle, visitor, public)

    async def _learn(self, phone: Phone, page: Page) -> None:
        with trio.move_on_after(300):
            while (result := self._result(page)) is None:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.2)
            phone.key = str(result.get("send_key") or phone.key)
        self.note_channels()

    def _result(self, page: Page) -> dict[str, object] | None:
        channels = self.stage.daemon.services.channels
        binding = channels.binding(page.handle, page.visitor, public=page.public, digits=None)
        if binding is None or binding.state.is_end:
            return dict(binding.result or {}) if binding is not None else {}
        return None

    def _order(self, phone: Phone, what: str) -> None:
        channel = self.channel(phone)
        if channel is None:
            return
        daemon, channels = self.stage.daemon, self.stage.daemon.services.channels
        match what:
            case "delete_channel":
                self._begin(lambda: channels.delete(channel.user_id, channel.id))
            case "delete_account":
                self.left.add(channel.user_id)
                self._begin(lambda: daemon.channels.mailbox.ask(RemoveUser(channel.user_id), timeout=10.0))
            case "drop":
                self._begin(lambda: channels.drop_queue(channel.user_id, channel.id))
            case "restart":
                self._begin(lambda: channels.restart(channel.id))
            case "disable" | "enable":
                self._begin(lambda: self.turn(channel.user_id, is_disabled=what == "disable"))

    async def turn(self, user_id: UserId, *, is_disabled: bool) -> None:
        daemon = self.stage.daemon
        await daemon.journal.mailbox.ask(ChangeUser(user_id, is_disabled=is_disabled), timeout=10.0)
        await daemon.channels.mailbox.ask(UserChanged(user_id), timeout=10.0)

    def switch(self, phone: Phone, step: Switch) -> None:
        sandbox, user = self.stage.sandbox, phone.user
        try:
            match step.turn:
                case "half_dead" | "cured":
                    sandbox.half_dead(user, step.turn == "half_dead")
                case "silent_drop" | "heard":
                    self.was_silent = True
                    sandbox.silent_drop(user, step.turn == "silent_drop")
                case "backlog" | "lifted":
                    sandbox.backlog(user, step.turn == "backlog")
                case "doze":
                    sandbox.doze(user)
                case "expire":
                    sandbox.expire(user)
                case "takeover":
                    sandbox.takeover(user)
                case "unbind":
                    sandbox.unbind(user)
                case "penalize":
                    sandbox.penalize(user)
                case "forgive":
                    sandbox.forgive(user)
                case "age":
                    sandbox.age_window(user, 30_000.0)
        except PhoneError:
            pass  # it has no live bot

    async def _free_disk(self, disk: Disk, seconds: float) -> None:
        await trio.sleep(seconds)
        disk.is_full = False

    # --- looking ---

    def channel(self, phone: Phone) -> Channel | None:
        return self.stage.daemon.pictures.directory.channel_of_wechat(phone.user)

    def _owner(self, phone: Phone) -> UserId | None:
        channel = self.channel(phone)
        return None if channel is None else channel.user_id

    def _key(self, phone: Phone) -> str:
        owner = self._owner(phone)
        user = None if owner is None else self.stage.daemon.pictures.directory.user(owner)
        return phone.key if user is None else user.send_key.reveal()

    def note_channels(self) -> None:
        for channel in self.stage.daemon.pictures.directory.channels():
            self.users[channel.id] = channel.wechat_openid
