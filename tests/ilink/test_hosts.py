"""Which hosts are believed (protocol notes §3)."""

import pytest

from bottalk.ilink.hosts import HostRule, Origin, parse_origin
from bottalk.loopback import is_loopback

FIXED = Origin("https", "ilinkai.weixin.qq.com", 443)
REAL = HostRule(FIXED, (".weixin.qq.com",), allow_http=False)
SANDBOX = HostRule(Origin("http", "127.0.0.1", 8900), ("127.0.0.1", ".ilink.test"), allow_http=True)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://a.weixin.qq.com", "https://a.weixin.qq.com"),
        ("https://A.Weixin.QQ.com/", "https://a.weixin.qq.com"),
        ("https://a.weixin.qq.com:443/pre/fix/", "https://a.weixin.qq.com/pre/fix"),
        ("  a.weixin.qq.com ", "https://a.weixin.qq.com"),
    ],
)
def test_a_believed_base_url(url: str, base: str) -> None:
    assert REAL.base(url).base_url == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.com",
        "https://weixin.qq.com",
        "https://evilweixin.qq.com",
        "https://a.weixin.qq.com.evil.com",
        "https://a.weixin.qq.com@evil.com",
        "https://evil.com#.weixin.qq.com",
        "https://evil.com?.weixin.qq.com",
        "https://evil.com/.weixin.qq.com",
        "https://evil.com\\.weixin.qq.com",
        "https://a.weixin.qq.com:8443",
        "https://a.weixin.qq.com:0",
        "https://a.weixin.qq.com:99999",
        "https://a.weixin.qq.com/x?y=1",
        "https://a.weixin.qq.com/x y",
        "https://a.weixin.qq.com\r\nX-Evil: 1",
        "http://a.weixin.qq.com",
        "ftp://a.weixin.qq.com",
        "https://.weixin.qq.com",
        "https://a..weixin.qq.com",
        "https://-a.weixin.qq.com",
        "https://ａ.weixin.qq.com",
        "https://[::1",
        "https://127.0.0.1",
        "https://" + "a" * 64 + ".weixin.qq.com",
    ],
)
def test_anything_else_becomes_the_fixed_address(url: str) -> None:
    assert REAL.base(url) == FIXED


@pytest.mark.parametrize("host", ["sh.weixin.qq.com", "SH.weixin.qq.com", "a-b.c.weixin.qq.com"])
def test_a_believed_redirect(host: str) -> None:
    origin = REAL.redirect(host)
    assert origin is not None
    assert origin.authority == host.lower()


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.com",
        "weixin.qq.com",
        "https://sh.weixin.qq.com",
        "sh.weixin.qq.com/path",
        "sh.weixin.qq.com?x",
        "evil.com#.weixin.qq.com",
        "evil.com\\.weixin.qq.com",
        "sh.weixin.qq.com:8443",
        "evil.com@sh.weixin.qq.com",
    ],
)
def test_a_redirect_that_is_not_believed(host: str | None) -> None:
    assert REAL.redirect(host) is None


def test_a_sandbox_speaks_plain_http_on_any_port() -> None:
    assert SANDBOX.base("http://127.0.0.1:9000") == Origin("http", "127.0.0.1", 9000)
    assert SANDBOX.redirect("b.ilink.test:9000") == Origin("http", "b.ilink.test", 9000)
    assert SANDBOX.base("http://127.0.0.2:9000") == SANDBOX.fixed
    assert SANDBOX.redirect("127.0.0.1:8900") == SANDBOX.fixed


def test_an_entry_with_a_port_allows_that_port() -> None:
    rule = HostRule(FIXED, ("A.example.org:8443",), allow_http=False)
    assert rule.base("https://a.example.org:8443").port == 8443
    assert rule.base("https://a.example.org:8444") == FIXED
    assert rule.base("http://a.example.org:8443") == FIXED


def test_the_fixed_address_needs_no_entry() -> None:
    fixed = Origin("https", "mirror.example.org", 8443)
    assert HostRule(fixed, (), allow_http=False).base("https://mirror.example.org:8443/") == fixed


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://[::1]:8080", "[::1]:8080"),
        ("http://[2001:DB8::1]", "[2001:db8::1]"),
        ("http://h:443", "h:443"),
        ("https://h", "h"),
    ],
)
def test_the_authority_is_as_in_a_host_header(url: str, authority: str) -> None:
    origin = parse_origin(url)
    assert origin is not None
    assert origin.authority == authority


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.evil.com", "ilinkai.weixin.qq.com", "10.0.0.1", "128.0.0.1"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
