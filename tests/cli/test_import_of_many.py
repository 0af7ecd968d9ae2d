"""A large file of the other BotTalk, and its users' next pushes: real processes, the same tokens."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import trio

from tests.cli.test_importing import AT, lines, rows, take
from tests.e2e.processes import Bound, Field, field
from tests.support.old_bottalk import write

USERS, CHANNELS, LOGS = 1000, 1500, 50_000
FIRST_LOG = datetime(2126, 11, 1)

Row = dict[str, object]


def as_old(sandbox: Field, people: list[Bound], path: Path) -> None:
    """The accounts of a stopped daemon as the other BotTalk would have them, among many others."""
    users = [user(n) for n in range(1, USERS + 1)]
    channels = [channel(n) for n in range(1, CHANNELS + 1)]
    columns = "id, bot_token, context_token, wechat_openid"
    tokens = {row[0]: row[1:] for row in rows(sandbox.data_dir, "channels", columns)}
    for n, bound in enumerate(people):
        bot_token, context_token, wechat = tokens[bound.channel_id]
        users[n] |= {"send_key": bound.send_key, "wechat_openid": wechat}
        live = {"wechat_openid": wechat, "bot_token": bot_token, "context_token": context_token, "status": "active"}
        channels[n] |= live | {"user_id": n + 1}
    write(path, {"users": users, "channels": channels, "push_logs": [log(n) for n in range(LOGS)]})


def user(n: int) -> Row:
    return {"id": n, "send_key": f"{n:032x}", "wechat_openid": f"{n}@im.wechat", "created_at": AT}


def channel(n: int) -> Row:
    """Every account has one, whose login has ended; every second one has an older row of it, too."""
    owner = 1 + n % USERS
    known = {"id": n, "user_id": owner, "wechat_openid": f"{owner}@im.wechat", "created_at": AT}
    return known | {"bot_token": f"{n}@im.bot:x", "context_token": "c", "status": "inactive", "is_default": 1}


def log(n: int) -> Row:
    what = {"title": f"t{n}", "content": "文" * 50, "status": "success", "response": '{"errcode":0,"errmsg":"ok"}'}
    when = (FIRST_LOG + timedelta(seconds=n)).isoformat(" ")
    return what | {"user_id": 1 + n % USERS, "channel_id": 1 + n % CHANNELS, "created_at": when}


@pytest.mark.slow
async def test_pushes_work_right_after_a_large_import(tmp_path: Path) -> None:
    async with field(tmp_path) as sandbox:
        async with sandbox.daemon() as daemon:
            people = [await sandbox.bind() for _ in range(2)]
            daemon.popen.terminate()
            assert await daemon.ended() == 0
        node = tmp_path / "node"
        await trio.to_thread.run_sync(as_old, sandbox, people, node / "data" / "bottalk.db")
        sandbox.data_dir = tmp_path / "imported"
        report = await trio.to_thread.run_sync(take, node, sandbox.data_dir)
        assert {kind: counts[:2] for kind, counts in lines(report).items()} == {
            "account": (USERS, USERS),
            "channel": (CHANNELS, CHANNELS),
            "reminder": (0, 0),
            "log row": (LOGS, LOGS),
        }
        async with sandbox.daemon():
            for bound in people:
                answer = await sandbox.push(bound, "接着用")
                assert answer["data"]["results"][0]["queued"], "kept: the window is not guessed open"
                await has(sandbox, bound, "接着用")
                assert (await sandbox.push(bound, "再来"))["code"] == 0
                await has(sandbox, bound, "再来")


async def has(sandbox: Field, bound: Bound, text: str) -> None:
    """It is on the phone."""
    await sandbox.until(lambda: sandbox.texts(bound.user), lambda texts: text in texts)
