"""Every shape of iLink's answers (protocol notes §2 to §5), and the garbage of §8.6."""

import json
from collections.abc import Callable

import msgspec
import pytest

from bottalk.ilink import answers
from bottalk.ilink.errors import IlinkMalformed, IlinkRefused
from bottalk.ilink.hosts import HostRule, Origin
from bottalk.ilink.shapes import Inbound, QrCode, QrState, QrStatus, Updates
from bottalk.values import Secret

RULE = HostRule(Origin("https", "ilinkai.weixin.qq.com", 443), (".weixin.qq.com",), allow_http=False)
BOT = "8de9e2c2b044@im.bot"
USER = "o9cq80MiXed@im.wechat"


def status(**answer: object) -> QrStatus:
    return answers.qr_status(json.dumps(answer).encode(), RULE)


def updates(**answer: object) -> Updates:
    return answers.updates(json.dumps(answer).encode())


def inbound(**entry: object) -> Inbound:
    found = updates(msgs=[{"from_user_id": USER, **entry}])
    return found.messages[0]


READERS: dict[str, Callable[[bytes], object]] = {
    "qr_code": answers.qr_code,
    "qr_status": lambda body: answers.qr_status(body, RULE),
    "updates": answers.updates,
    "sent": lambda body: answers.sent_message_id(body, ()),
    "notify": lambda body: answers.accepted(body, (), or_empty=True),
    "getconfig": lambda body: answers.accepted(body, (), or_empty=False),
}
GARBAGE = {
    "truncated": b'{"ret":0,"msgs":[',
    "html": b"<html><body>502</body></html>",
    "list": b"[]",
    "null": b"null",
    "number": b"12",
    "string": b'"ok"',
    "true": b"true",
    "two": b"{}{}",
    "bom": b"\xef\xbb\xbf{}",
    "nan": b'{"ret":NaN}',
    "invalid utf-8": b'{"errmsg":"\xff\xfe"}',
    "deep": b'{"a":' + b"[" * 200_000,
    "ret text": b'{"ret":"0"}',
    "ret fraction": b'{"ret":0.5}',
    "ret true": b'{"ret":true}',
    "ret object": b'{"ret":{}}',
    "errcode list": b'{"ret":0,"errcode":[]}',
    "huge number": b'{"ret":' + b"1" * 5000 + b"}",
    "cut surrogate": b'{"errmsg":"\\ud8',
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_malformed(reader: str, garbage: str) -> None:
    with pytest.raises(IlinkMalformed) as caught:
        READERS[reader](GARBAGE[garbage])
    assert caught.value.maybe_arrived
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_body_is_a_success_of_a_send_and_of_notify_only(reader: str) -> None:
    for body in (b"", b"\r\n"):
        if reader in ("sent", "notify"):
            assert READERS[reader](body) is None
        else:
            with pytest.raises(IlinkMalformed):
                READERS[reader](body)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("body", "ret"),
    [
        ('{"ret":-14,"errcode":-14,"errmsg":"session timeout"}', -14),
        ('{"ret":-14}', -14),
        ('{"errcode":-14}', -14),
        ('{"ret":0,"errcode":-14}', -14),
        ('{"ret":-2,"errcode":0,"errmsg":"prepare failed"}', -2),
        ('{"ret":-1,"errcode":-13}', -13),
        ('{"ret":-2,"errcode":null,"errmsg":null}', -2),
        ('{"ret":7,"errmsg":12}', 7),
    ],
)
def test_a_number_that_is_not_zero_is_a_refusal(reader: str, body: str, ret: int) -> None:
    with pytest.raises(IlinkRefused) as caught:
        READERS[reader](body.encode())
    assert caught.value.ret == ret
    assert str(ret) in str(caught.value)


# --- QR ---------------------------------------------------------------------------------------------------------------


def test_qr_code() -> None:
    body = {"ret": 0, "qrcode": "3f2a", "qrcode_img_content": "https://liteapp.weixin.qq.com/q/7?x=1", "new": [1]}
    found = answers.qr_code(json.dumps(body).encode())
    assert found == QrCode(Secret("3f2a"), "https://liteapp.weixin.qq.com/q/7?x=1", body)
    assert "3f2a" not in repr(found)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"qrcode": "a"},
        {"qrcode_img_content": "u"},
        {"qrcode": "", "qrcode_img_content": "u"},
        {"qrcode": "a", "qrcode_img_content": "u" * 2000},
    ],
)
def test_a_qr_code_needs_both(body: dict[str, object]) -> None:
    with pytest.raises(IlinkMalformed):
        answers.qr_code(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("wait", QrState.WAIT),
        ("scaned", QrState.SCANNED),
        ("need_verifycode", QrState.NEED_VERIFYCODE),
        ("verify_code_blocked", QrState.VERIFY_BLOCKED),
        ("binded_redirect", QrState.BOUND),
        ("expired", QrState.EXPIRED),
    ],
)
def test_qr_states(word: str, state: QrState) -> None:
    assert status(status=word) == status(ret=0, status=word) == QrStatus(state, status=word)


@pytest.mark.parametrize("word", ["brand_new", "unknown", "", None])
def test_an_unknown_status_is_no_error(word: str | None) -> None:
    assert status(status=word).state is QrState.UNKNOWN
    assert status().state is QrState.UNKNOWN


def test_a_status_that_is_no_text_is_malformed() -> None:
    with pytest.raises(IlinkMalformed):
        status(status=1)


def test_redirect() -> None:
    word = "scaned_but_redirect"
    assert status(status=word, redirect_host="sh.weixin.qq.com").redirect_host == "sh.weixin.qq.com"
    for host in ("evil.com", "", None, 5, "https://sh.weixin.qq.com"):
        assert status(status=word, redirect_host=host) == QrStatus(QrState.REDIRECT, status=word)
    assert status(status=word).redirect_host is None


def test_confirmed() -> None:
    found = status(
        status="confirmed", bot_token=" ab@im.bot:s3cret\n", ilink_bot_id=BOT, ilink_user_id=USER, baseurl=""
    )
    assert found.confirmed is not None
    assert found.confirmed.bot_token == Secret("ab@im.bot:s3cret")
    assert (found.confirmed.bot_id, found.confirmed.user_id) == (BOT, USER)
    assert found.confirmed.base_url == "https://ilinkai.weixin.qq.com"
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("baseurl", "base"),
    [
        ("https://sh.weixin.qq.com/", "https://sh.weixin.qq.com"),
        ("https://evil.com", "https://ilinkai.weixin.qq.com"),
        (None, "https://ilinkai.weixin.qq.com"),
        (7, "https://ilinkai.weixin.qq.com"),
    ],
)
def test_the_base_url_of_a_confirmed_code_is_under_the_host_rule(baseurl: object, base: str) -> None:
    found = status(status="confirmed", bot_token="t", ilink_bot_id=BOT, ilink_user_id=USER, baseurl=baseurl)
    assert found.confirmed is not None
    assert found.confirmed.base_url == base


@pytest.mark.parametrize("missing", ["bot_token", "ilink_bot_id", "ilink_user_id"])
@pytest.mark.parametrize("value", ["", None, 5])
def test_confirmed_without_credentials_is_malformed(missing: str, value: object) -> None:
    whole: dict[str, object] = {"bot_token": "t", "ilink_bot_id": BOT, "ilink_user_id": USER}
    with pytest.raises(IlinkMalformed):
        status(status="confirmed", **{**whole, missing: value})


def test_a_token_that_no_header_can_carry_is_malformed() -> None:
    with pytest.raises(IlinkMalformed):
        status(status="confirmed", bot_token="a\r\nb", ilink_bot_id=BOT, ilink_user_id=USER)


# --- getupdates -------------------------------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    found = updates(
        ret=0,
        msgs=[
            {
                "seq": 12,
                "message_id": 18446744073709551615,
                "from_user_id": USER,
                "to_user_id": BOT,
                "client_id": "c-1",
                "create_time_ms": 1789100000000,
                "session_id": f"{USER}#{BOT}",
                "group_id": "",
                "message_type": 1,
                "message_state": 2,
                "context_token": "AARzJW",
                "item_list": [{"type": 1, "text_item": {"text": "hello"}}],
                "run_id": {"new": 1},
            }
        ],
        get_updates_buf="CgkI",
        sync_buf="old",
        longpolling_timeout_ms=35000,
    )
    assert found == Updates(
        messages=(
            Inbound(
                from_user_id=USER,
                to_user_id=BOT,
                message_id="18446744073709551615",
                client_id="c-1",
                seq="12",
                created_ms=1789100000000,
                kind=1,
                context_token=Secret("AARzJW"),
                text="hello",
                label="text",
            ),
        ),
        cursor="CgkI",
        next_timeout_s=35.0,
    )
    assert "AARzJW" not in repr(found)
    assert "hello" not in repr(found)


@pytest.mark.parametrize("body", [b"{}", b'{"msgs":[]}', b'{"msgs":null,"get_updates_buf":null}', b'{"ret":0}'])
def test_nothing_new(body: bytes) -> None:
    assert answers.updates(body) == Updates()


def test_the_cursor_is_never_an_empty_one_nor_the_old_field() -> None:
    assert updates(get_updates_buf="", sync_buf="x").cursor is None
    assert updates(sync_buf="x").cursor is None
    assert updates(get_updates_buf="y").cursor == "y"


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [(17000, 17.0), ("35000", 35.0), (10**9, 300.0), (0, None), (-5, None), (True, None), ("x", None), (None, None)],
)
def test_the_hint_of_the_next_hold(hint: object, seconds: float | None) -> None:
    assert updates(longpolling_timeout_ms=hint).next_timeout_s == seconds


@pytest.mark.parametrize("answer", [{"msgs": {}}, {"msgs": "x"}, {"msgs": 0}, {"get_updates_buf": 5}])
def test_wrong_types_are_malformed(answer: dict[str, object]) -> None:
    with pytest.raises(IlinkMalformed):
        updates(**answer)


def test_one_odd_entry_does_not_cost_the_others() -> None:
    found = updates(msgs=[None, {"from_user_id": USER}, [], "x"], get_updates_buf="c")
    assert [message.from_user_id for message in found.messages] == [USER]
    assert (found.unreadable, found.cursor) == (3, "c")


def test_odd_fields_count_as_absent() -> None:
    odd = inbound(
        to_user_id=5,
        group_id=None,
        message_id=1.5,
        client_id={},
        seq=True,
        create_time_ms="soon",
        message_type="1",
        context_token=5,
        item_list="x",
    )
    assert odd == Inbound(from_user_id=USER)
    assert inbound(item_list=[5, {"type": "1", "text_item": "x"}]).label == "other"


@pytest.mark.parametrize(
    ("value", "text"),
    [(7497484083968569736, "7497484083968569736"), ("7497", "7497"), (0, None), ("0", None), ("", None), (None, None)],
)
def test_ids_are_text_without_loss(value: object, text: str | None) -> None:
    assert inbound(message_id=value).message_id == text


@pytest.mark.parametrize(
    ("items", "text", "label"),
    [
        ([], "", "empty"),
        ([{"type": 1, "text_item": {"text": "a"}}, {"type": 1, "text_item": {"text": "b"}}], "a", "text"),
        ([{"type": 1, "text_item": {"text": ""}}], "", "text"),
        ([{"type": 1}], "", "text"),
        ([{"type": 2, "image_item": {"url": "u"}}], "", "image"),
        ([{"type": 2, "image_item": {}}, {"type": 1, "text_item": {"text": "below"}}], "below", "image"),
        ([{"type": 3, "voice_item": {"text": "spoken"}}], "spoken", "voice"),
        ([{"type": 3, "voice_item": {}}], "", "voice"),
        ([{"type": 3, "voice_item": {"text": "v"}}, {"type": 1, "text_item": {"text": "t"}}], "t", "voice"),
        ([{"type": 4, "file_item": {"len": "5"}}], "", "file"),
        ([{"type": 5, "video_item": {}}], "", "video"),
        ([{"type": 11, "tool_call_start_item": {}}], "", "tool"),
        ([{"type": 99, "sticker_item": {}}], "", "other"),
        ([{}], "", "other"),
        ([{"type": 1, "ref_msg": {"svr_id": 1}, "text_item": {"text": "quote"}}], "quote", "text"),
    ],
)
def test_text_and_label(items: list[object], text: str, label: str) -> None:
    found = inbound(item_list=items)
    assert (found.text, found.label) == (text, label)


def test_a_lone_surrogate_does_not_cost_the_answer() -> None:
    body = rb'{"msgs":[{"item_list":[{"type":1,"text_item":{"text":"a\ud83d \ud83d\ude00 \\ud83d \udc00"}}]}]}'
    text = answers.updates(body).messages[0].text
    assert text == "a\ufffd \N{GRINNING FACE} \\ud83d \ufffd"
    assert msgspec.json.encode(text)


# --- sends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        (b'{"ret":0,"message_id":7497484083968569736}', "7497484083968569736"),
        (b'{"ret":0,"message_id":"7497484083968569736"}', "7497484083968569736"),
        (b'{"ret":0}', None),
        (b"{}", None),
        (b'{"message_id":null}', None),
        (b'{"message_id":{"odd":1}}', None),
    ],
)
def test_an_accepted_send(body: bytes, message_id: str | None) -> None:
    assert answers.sent_message_id(body, ()) == message_id
