"""How the client presents itself: version number, agent, headers (protocol notes §2)."""

import base64
import random

import pytest

from bottalk import __version__
from bottalk.ilink.headers import Headers
from bottalk.ilink.settings import IlinkSettings
from bottalk.values import Secret


@pytest.mark.parametrize(
    ("version", "number"), [("1.0.11", 65547), ("2.4.3", 132099), ("2.4.9", 132105), ("255.255.255", 0xFFFFFF)]
)
def test_the_version_number(version: str, number: int) -> None:
    assert IlinkSettings(client_version=version).client_version_number == number


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_version", "2.4"),
        ("client_version", "2.4.256"),
        ("client_version", "2.4.９"),
        ("client_version", "2.4.9\n"),
        ("base_url", "ilinkai.weixin.qq.com"),
        ("base_url", "https://"),
        ("base_url", "https://h\r\nX: y"),
        ("app_id", ""),
        ("app_id", "bot\r\nX: y"),
        ("app_id", "bot\n"),
        ("app_id", "机器人"),
        ("route_tag", "a\nb"),
    ],
)
def test_what_could_not_be_sent_is_refused_at_once(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        IlinkSettings(**{name: value})  # type: ignore[arg-type]  # the names are of fields with texts


@pytest.mark.parametrize(
    "agent", ["A/1", "BotTalk/1.0.0", "BotTalk/1.0.0 (Linux; x86)", "A.b-c_d/1.0+x (y) E/2", "/".join(["a" * 32] * 2)]
)
def test_an_agent_of_the_form_is_used(agent: str) -> None:
    assert IlinkSettings(bot_agent=agent).agent == agent


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "BotTalk",
        "BotTalk/",
        "Bot Talk/1",
        "A/1  B/2",
        "A/1 ",
        "A/1 ()",
        "A/1 (a(b))",
        "A/1 (é)",
        "A/1\n",
        f"{'a' * 33}/1",
        f"a/{'1' * 33}",
        f"A/1 ({'x' * 65})",
        " ".join(["Abcdefgh/1.0"] * 20),
    ],
)
def test_any_other_agent_becomes_our_own(agent: str) -> None:
    assert IlinkSettings(bot_agent=agent).agent == f"BotTalk/{__version__}"


def test_headers_of_a_get() -> None:
    headers = dict(Headers(IlinkSettings(), random.Random(1)).get())
    assert headers == {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": f"BotTalk/{__version__}",
        "iLink-App-Id": "bot",
        "iLink-App-ClientVersion": "132105",
    }


def test_headers_of_a_post() -> None:
    made = Headers(IlinkSettings(), random.Random(1))
    headers = dict(made.post(Secret("ab@im.bot:s3cret")))
    assert headers["Content-Type"] == "application/json"
    assert headers["AuthorizationType"] == "ilink_bot_token"
    assert headers["Authorization"] == "Bearer ab@im.bot:s3cret"
    assert headers["iLink-App-Id"] == "bot"
    assert headers["iLink-App-ClientVersion"] == "132105"
    assert "SKRouteTag" not in headers
    assert "Authorization" not in dict(made.post())
    assert dict(made.post())["AuthorizationType"] == "ilink_bot_token"


def test_the_route_tag_is_on_both() -> None:
    made = Headers(IlinkSettings(route_tag="grey"), random.Random(1))
    assert dict(made.get())["SKRouteTag"] == dict(made.post())["SKRouteTag"] == "grey"
    assert "SKRouteTag" not in dict(Headers(IlinkSettings(route_tag=""), random.Random(1)).get())


def test_x_wechat_uin_is_a_new_uint32_in_decimal_each_time() -> None:
    made = Headers(IlinkSettings(), random.Random(1))
    texts = [base64.b64decode(dict(made.post())["X-WECHAT-UIN"], validate=True).decode("ascii") for _ in range(1000)]
    assert all(text == str(int(text)) and 0 <= int(text) < 1 << 32 for text in texts)
    assert len(set(texts)) == len(texts)
    assert max(map(int, texts)) >= 1 << 31


@pytest.mark.parametrize("token", ["a b", " ab ", "a\r\nb", "a\0b", "ａab"])
def test_a_token_cannot_break_out_of_its_header(token: str) -> None:
    headers = dict(Headers(IlinkSettings(), random.Random(1)).post(Secret(token)))
    assert headers["Authorization"] == "Bearer ab"
