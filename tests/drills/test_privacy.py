"""What is deleted, over, or not to be kept is gone from the bytes of the file, not from the answers alone."""

import json
from pathlib import Path

import pytest
import trio

from bottalk.messages import CreateReminder
from bottalk.values import ReminderType, Secret
from tests.service.people import export, join, owner
from tests.support.world import Person, World, open_world

DAY = 86_400.0
QUIET_S = 200.0
"""Virtual seconds after which the housekeeper has removed what is to go and folded the log into the file."""


def raw(directory: Path) -> bytes:
    """The database and everything beside it, as a thief of the disk reads it."""
    return b"".join(path.read_bytes() for path in sorted(directory.glob("bottalk.db*")))


def left(directory: Path, *words: str) -> list[str]:
    """Which of the words are somewhere in there."""
    data = raw(directory)
    return [word for word in words if word.encode() in data]


def secrets_of(world: World, person: Person) -> list[str]:
    channel = world.channel(person)
    assert channel.context_token is not None
    return [person.user, person.send_key, channel.bot_token.reveal(), channel.context_token.reveal(), channel.bot_id]


async def days_later(world: World, days: float) -> None:
    world.clock.offset += days * DAY
    await trio.sleep(3700)
    await trio.sleep(QUIET_S)


async def some_pushes(world: World, person: Person, whose: str, number: int) -> list[str]:
    """Titles and texts, of all lengths, of pushes that are delivered and of some that wait."""
    words = []
    for n in range(number):
        title, text = f"{whose}标题{n:04}完", f"{whose}正文{n:04}完"
        words += [title, text]
        text += "字" * (n * 37 % 900)
        await world.push(person, title, text, wait=0, delay=86_400.0 if n % 5 == 0 else None)
    await trio.sleep(300)
    return words


async def test_a_deleted_account_leaves_nothing(tmp_path: Path, autojump_clock: object) -> None:
    mail = "ann.lovelace@example.org"
    async with open_world(tmp_path, rate_limit=100_000) as world:
        other = await world.active()
        person = await world.active()
        kept = await some_pushes(world, other, "他的", 5)
        words = [*secrets_of(world, person), *await some_pushes(world, person, "私密", 60)]
        user = owner(world, person)
        reminder = CreateReminder(user.id, "吃药提醒", "每天一粒白色的", ReminderType.DAILY, "08:00", "", 0)
        await world.daemon.journal.mailbox.ask(reminder)
        written, _, _ = await join(world, mail)
        words += ["吃药提醒", "每天一粒白色的", mail, written.send_key.reveal()]
        await trio.sleep(QUIET_S)
        assert left(tmp_path, *words) == words, "the search finds what is there"
        await world.daemon.services.accounts.delete(user.id, Secret(person.send_key))
        await world.daemon.services.accounts.delete(written.id, written.send_key)
        await days_later(world, 0.01)
        assert left(tmp_path, *words) == []
        assert left(tmp_path, *kept, *secrets_of(world, other)) == [*kept, *secrets_of(world, other)]
    assert left(tmp_path, *words) == []


async def test_a_deleted_channel_leaves_no_token(tmp_path: Path, autojump_clock: object) -> None:
    """Id, name and WeChat id stay, for a later scan of the same WeChat; the log is the account's."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        channel = world.channel(person)
        assert channel.context_token is not None
        tokens = [channel.bot_token.reveal(), channel.context_token.reveal()]
        await trio.sleep(QUIET_S)
        assert left(tmp_path, *tokens) == tokens
        assert await world.daemon.services.channels.delete(channel.user_id, channel.id)
        await trio.sleep(QUIET_S)
        assert left(tmp_path, *tokens, person.user) == [person.user]


async def test_a_key_that_was_reset_is_gone(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await trio.sleep(QUIET_S)
        assert left(tmp_path, person.send_key) == [person.send_key]
        await world.daemon.services.accounts.reset_key(owner(world, person).id)
        await trio.sleep(QUIET_S)
        assert left(tmp_path, person.send_key) == []


@pytest.mark.parametrize(
    ("log_texts", "titles", "texts"), [("full", True, True), ("title", True, False), ("none", 0, 0)]
)
async def test_the_file_has_what_the_log_keeps(
    tmp_path: Path, autojump_clock: object, log_texts: str, titles: bool, texts: bool
) -> None:
    async with open_world(tmp_path, log_texts=log_texts) as world:
        person = await world.active()
        for n in range(5):
            await world.push(person, f"标题{n}完", f"正文{n}完", idempotency_key=f"幂等{n}".encode().hex())
        await trio.sleep(120)
        assert world.waiting(person) == 0
        await trio.sleep(QUIET_S)
        for n in range(5):
            assert left(tmp_path, f"标题{n}完") == [f"标题{n}完"] * bool(titles)
            assert left(tmp_path, f"正文{n}完") == [f"正文{n}完"] * bool(texts)


async def test_a_log_of_some_days_is_gone_after_them(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, log_days=3) as world:
        person = await world.active()
        keys = [f"order-{n}-of-ann" for n in range(5)]
        for n, key in enumerate(keys):
            await world.push(person, f"标题{n}完", f"正文{n}完", wait=0, idempotency_key=key)
        await trio.sleep(120)
        words = [f"{kind}{n}完" for kind in ("标题", "正文") for n in range(5)]
        await trio.sleep(QUIET_S)
        assert left(tmp_path, *words, *keys) == [*words, *keys]
        await days_later(world, 1.1)
        assert left(tmp_path, *words, *keys) == words, "a key is remembered for a day"
        await days_later(world, 2.1)
        assert left(tmp_path, *words) == []


async def test_an_export_shows_the_own_texts_and_nobodys_tokens(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person, other = await world.active(), await world.active()
        await world.push(person, "我的标题", "我的正文")
        await world.push(other, "他的标题", "他的正文")
        document = json.dumps(await export(world, owner(world, person).id), ensure_ascii=False)
        assert all(word in document for word in ("我的标题", "我的正文", person.user))
        hidden = [secret for one in (person, other) for secret in secrets_of(world, one)[2:4]]
        assert [
            word for word in ("他的标题", "他的正文", other.user, other.send_key, *hidden) if word in document
        ] == []
