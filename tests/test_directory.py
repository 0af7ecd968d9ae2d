"""The directory: keys, addresses and WeChats lead to accounts, as committed, and to nobody once they are gone."""

import pytest
from msgspec.structs import replace

from bottalk.directory import Directory
from bottalk.values import Channel, ChannelId, ChannelStatus, InactiveReason, Secret, User, UserId, Window


def user(number: int, *, email: str | None = None, wechat: str | None = None) -> User:
    return User(UserId(number), Secret(f"{number:032x}"), 1.0, email=email, wechat_openid=wechat)


def channel(number: int, owner: int, wechat: str) -> Channel:
    return Channel(
        id=ChannelId(number), user_id=UserId(owner), name="x", wechat_openid=wechat, bot_id="b", bot_token=Secret("t"),
        base_url="http://ilink.test", status=ChannelStatus.ACTIVE, window=Window(86400.0), created_at=1.0, bound_at=1.0,
    )  # fmt: skip


def test_an_old_key_leads_nowhere() -> None:
    old = user(1)
    directory = Directory([old])
    directory.put_user(replace(old, send_key=Secret("f" * 32)))
    assert directory.user_of_key(old.send_key.reveal()) is None
    assert directory.user_of_key("F" * 32) is not None


def test_who_is_removed_is_known_by_no_name() -> None:
    directory = Directory([user(1, email="a@b.c"), user(2, wechat="w2")], [channel(1, 1, "w1"), channel(2, 2, "w2")])
    directory.remove_user(UserId(1))
    assert directory.user(UserId(1)) is None
    assert directory.user_of_key(f"{1:032x}") is None
    assert directory.user_of_email("a@b.c") is None
    assert directory.channel(ChannelId(1)) is None
    assert directory.channel_of_wechat("w1") is None
    assert directory.channels_of(UserId(1)) == []
    assert [one.id for one in directory.users()] == [2]
    assert [one.id for one in directory.channels()] == [2]
    assert directory.gone == {1}


def test_a_name_taken_over_in_the_same_commit_stays_its_new_owners() -> None:
    directory = Directory([user(1, email="a@b.c", wechat="w")], [channel(1, 1, "w")])
    directory.put_user(user(2, email="a@b.c", wechat="w"))
    marker = replace(channel(1, 1, "w"), status=ChannelStatus.INACTIVE, inactive_reason=InactiveReason.DELETED)
    directory.put_channel(marker)
    directory.put_channel(channel(2, 2, "w"))
    directory.remove_user(UserId(1))
    for found in (directory.user_of_email("a@b.c"), directory.user_of_wechat("w")):
        assert found is not None
        assert found.id == 2
    taken = directory.channel_of_wechat("w")
    assert taken is not None
    assert taken.id == 2


def test_somebody_made_and_removed_in_one_commit_leaves_nothing() -> None:
    directory = Directory()
    directory.put_channel(channel(1, 1, "w"))
    directory.remove_user(UserId(1))
    assert (list(directory.users()), list(directory.channels())) == ([], [])


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_two_accounts_of_one_founder_the_newer_counts(order: tuple[int, int]) -> None:
    directory = Directory([user(number, wechat="w") for number in order])
    directory.put_user(replace(user(1, wechat="w"), nickname="changed later"))
    found = directory.user_of_wechat("w")
    assert found is not None
    assert found.id == 2
    directory.remove_user(UserId(2))
    found = directory.user_of_wechat("w")
    assert found is not None
    assert found.id == 1
