"""The life of a QR code, as its status call and the phone see it."""

import pytest
import trio
from trio.testing import MockClock

from bottalk.sandbox.phone import PhoneError
from bottalk.sandbox.rules.qr import version_number
from tests.sandbox.client import USER, connect, make_sandbox


async def test_a_code_nobody_scans_is_held_then_waits_then_expires(autojump_clock: MockClock) -> None:
    sandbox = make_sandbox(qr_ttl_s=70)
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    zero = trio.current_time()
    answers = [(await client.status(code), trio.current_time() - zero) for _ in range(4)]
    assert [(answer["status"], round(at, 3)) for answer, at in answers] == [
        ("wait", 30),
        ("wait", 60),
        ("expired", 70),
        ("expired", 70),
    ]


async def test_a_code_expires_unpolled_and_after_a_scan_too(autojump_clock: MockClock) -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    unpolled, scanned = (await client.qrcode())["qrcode"], (await client.qrcode())["qrcode"]
    sandbox.scan(scanned, USER)
    await trio.sleep(300)
    assert not sandbox.scan(unpolled, USER).ok
    with pytest.raises(PhoneError, match="expired"):
        sandbox.confirm(scanned)
    assert {(await client.status(code))["status"] for code in (unpolled, scanned)} == {"expired"}


async def test_an_unknown_code_is_expired() -> None:
    sandbox = make_sandbox()
    assert await connect(sandbox).status("0" * 32) == {"ret": 0, "status": "expired"}
    with pytest.raises(PhoneError):
        sandbox.scan("0" * 32, USER)


async def test_scanned_is_told_once_at_once_and_then_held(autojump_clock: MockClock) -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    sandbox.scan(code, USER)
    zero = trio.current_time()
    assert (await client.status(code))["status"] == "scaned"
    assert trio.current_time() == zero
    assert (await client.status(code))["status"] == "scaned"
    assert trio.current_time() == zero + 30


async def test_confirmed_can_be_fetched_again() -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    sandbox.scan(code, USER)
    session = sandbox.confirm(code)
    first, second = await client.status(code), await client.status(code)
    assert first == second
    assert first["bot_token"] == session.token
    assert first["ilink_bot_id"].endswith("@im.bot")
    assert first["bot_token"].startswith(first["ilink_bot_id"] + ":")
    with pytest.raises(PhoneError):
        sandbox.confirm(code)


async def test_verify_code_right_at_the_second_try(autojump_clock: MockClock) -> None:
    sandbox = make_sandbox(verify_code=True)
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    digits = sandbox.scan(code, USER).digits
    assert digits is not None
    assert len(digits) == 6
    assert sandbox.verify_digits(code) == digits
    zero = trio.current_time()
    assert (await client.status(code))["status"] == "need_verifycode"
    assert trio.current_time() == zero
    assert (await client.status(code))["status"] == "need_verifycode"
    assert trio.current_time() == zero + 1  # told already: after a pause
    assert (await client.status(code, "000000" if digits != "000000" else "1"))["status"] == "need_verifycode"
    with pytest.raises(PhoneError):
        sandbox.confirm(code)
    assert (await client.status(code, digits))["status"] == "scaned"
    assert (await client.status(code, digits))["status"] == "scaned"  # the answer was lost, the client asks again
    sandbox.confirm(code)
    assert (await client.status(code))["status"] == "confirmed"


async def test_too_many_wrong_digits_block_the_code() -> None:
    sandbox = make_sandbox(verify_code=True, verify_tries=2)
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    sandbox.scan(code, USER)
    assert (await client.status(code, "wrong"))["status"] == "need_verifycode"
    assert (await client.status(code, "wrong"))["status"] == "verify_code_blocked"
    assert (await client.status(code))["status"] == "verify_code_blocked"


async def test_digits_entered_by_hand() -> None:
    sandbox = make_sandbox(verify_code=True)
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    digits = sandbox.scan(code, USER).digits
    assert digits is not None
    assert not sandbox.enter_verify(code, "no")
    assert sandbox.enter_verify(code, digits)
    assert sandbox.verify_digits(code) is None
    sandbox.confirm(code)


async def test_redirect_to_another_host() -> None:
    sandbox = make_sandbox(redirect_host="eu.ilink.test")
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    sandbox.scan(code, USER)
    moved = {"ret": 0, "status": "scaned_but_redirect", "redirect_host": "eu.ilink.test"}
    assert await client.status(code) == moved
    assert (await client.status(code, base="http://eu.ilink.test"))["status"] == "scaned"
    sandbox.confirm(code)
    assert await client.status(code) == moved
    assert (await client.status(code, base="http://eu.ilink.test"))["baseurl"] == "http://eu.ilink.test"


async def test_a_user_who_is_bound_to_this_client_already() -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    token = sandbox.takeover(USER).token
    code = (await client.qrcode([token]))["qrcode"]
    assert sandbox.scan(code, USER).state == "bound"
    assert await client.status(code) == {"ret": 0, "status": "binded_redirect"}
    other = (await client.qrcode([token]))["qrcode"]
    assert sandbox.scan(other, "someone@im.wechat").state == "scanned"


async def test_cancel_on_the_phone_wakes_the_status_call(autojump_clock: MockClock) -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    code = (await client.qrcode())["qrcode"]
    zero = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def waits() -> None:
            assert (await client.status(code))["status"] == "expired"

        nursery.start_soon(waits)
        await trio.sleep(2)
        sandbox.cancel(code)
    assert trio.current_time() == zero + 2


@pytest.mark.parametrize("version", ["0", "1", "65547"])
async def test_an_old_client_is_refused_on_the_phone_only(version: str, autojump_clock: MockClock) -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    code = (await client.qrcode(version=version))["qrcode"]
    result = sandbox.scan(code, USER)
    assert not result.ok
    assert "OpenClaw" in result.text
    assert (await client.status(code))["status"] == "wait"


async def test_the_old_form_of_get_bot_qrcode_and_the_link() -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    headers = {"iLink-App-Id": "bot", "iLink-App-ClientVersion": "132105"}
    answer = (await client.http.get("/ilink/bot/get_bot_qrcode?bot_type=3", headers=headers)).json()
    public_id = sandbox.code(answer["qrcode"]).public_id
    assert answer["qrcode_img_content"] == f"http://ilink.test/q/{public_id}?qrcode={answer['qrcode']}&bot_type=3"
    assert sandbox.code(public_id) is sandbox.code(answer["qrcode_img_content"])


def test_version_numbers_are_those_of_the_header() -> None:
    assert [version_number(text) for text in ("1.0.11", "2.4.3", "2.4.9")] == [65547, 132099, 132105]
