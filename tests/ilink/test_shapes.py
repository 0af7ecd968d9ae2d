"""Whose a message is and how it is known again (protocol notes §4), and what errors show."""

from dataclasses import replace

import pytest

from bottalk.ilink.errors import IlinkHttpError, IlinkMalformed, IlinkRefused, IlinkTransportError, Kind
from bottalk.ilink.shapes import Inbound
from bottalk.values import Secret

BOT = "8de9e2c2b044@im.bot"
MESSAGE = Inbound(
    from_user_id="o9cq80@im.wechat", message_id="7", client_id="c", seq="3", created_ms=1000, kind=1, text="hi"
)


@pytest.mark.parametrize(
    ("changes", "is_from_user"),
    [
        ({}, True),
        ({"kind": None}, True),
        ({"kind": 0}, True),
        ({"kind": 2}, False),
        ({"kind": 3}, False),
        ({"kind": None, "from_user_id": BOT}, False),
        ({"from_user_id": ""}, False),
        ({"group_id": "g@chatroom"}, False),
    ],
)
def test_whose_it_is(changes: dict[str, object], is_from_user: bool) -> None:
    assert replace(MESSAGE, **changes).is_from_user(BOT) is is_from_user  # type: ignore[arg-type]  # fields by name


def test_the_dedup_key_takes_the_best_id_there_is() -> None:
    without = replace(MESSAGE, message_id=None)
    assert MESSAGE.dedup_key == "m:7"
    assert without.dedup_key == "c:c"
    assert replace(without, client_id=None).dedup_key == "s:3"
    assert replace(without, client_id=None, seq=None).dedup_key == MESSAGE.fingerprint


def test_the_same_message_under_a_fresh_id_has_the_same_fingerprint() -> None:
    again = replace(MESSAGE, message_id="8", seq="4", context_token=Secret("new"))
    assert again.fingerprint == MESSAGE.fingerprint
    for other in (
        replace(MESSAGE, created_ms=1001),
        replace(MESSAGE, text="ho"),
        replace(MESSAGE, from_user_id="O9cq80@im.wechat"),
        replace(MESSAGE, label="image"),
    ):
        assert other.fingerprint != MESSAGE.fingerprint


def test_without_a_creation_time_equal_words_are_two_messages_if_they_have_ids() -> None:
    first = replace(MESSAGE, created_ms=None)
    assert first.fingerprint != replace(first, message_id="8").fingerprint
    assert first.fingerprint == replace(first, seq="9").fingerprint


def test_errors_show_no_secret() -> None:
    hide = (Secret("tok-123456"), Secret("ab"))
    error = IlinkRefused(-2, "bad tok-123456\r\nFAKE LOG LINE about" + "x" * 500, hide)
    assert "tok-123456" not in str(error) + error.errmsg
    assert "\n" not in str(error)
    assert "about" in str(error)
    assert len(str(error)) < 250


def test_errors_say_what_happened() -> None:
    assert str(IlinkRefused(-14)) == "iLink answered -14"
    assert str(IlinkHttpError(524)) == "iLink answered HTTP 524"
    assert str(IlinkTransportError(Kind.DNS, maybe_arrived=False)) == "dns"
    assert str(IlinkMalformed("not JSON")) == "malformed: not JSON"
    assert isinstance(IlinkMalformed("x"), IlinkTransportError)
