"""The settings: where they come from, what is refused, and that config/bottalk.toml says the truth about each."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bottalk.config import LIVE, Config, ConfigError, Setting, changed, load, read, table, take_over, value_of
from bottalk.values import Secret

FILE = Path(__file__).parent.parent / "config" / "bottalk.toml"
SETTINGS = {s.name: s for s in table()}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bottalk.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(
    path: Path | None = None, environ: dict[str, str] | None = None, overrides: dict[str, Any] | None = None
) -> list[str]:
    """What a load complains about, a line each."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {}, overrides)
    return str(caught.value).split("\n")


# --- where a value comes from ---


def test_nothing_said_gives_the_defaults() -> None:
    config = load(environ={})
    assert {name: value_of(config, name) for name in SETTINGS} == {name: s.default for name, s in SETTINGS.items()}
    assert config.public_url == "http://localhost:3000"
    assert config.database == Path("data/bottalk.db")


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = written(tmp_path, 'port = 1001\nhost = "192.0.2.1"\nlog_level = "debug"\n[delivery]\nqueue = 7\n')
    config = load(path, {"BOTTALK_PORT": "1002", "BOTTALK_HOST": "192.0.2.2"}, {"port": 1003})
    assert (config.port, config.host, config.log_level, config.tz) == (1003, "192.0.2.2", "debug", "Asia/Shanghai")
    assert config.delivery.queue == 7
    assert config.delivery.quota == 10


@pytest.mark.parametrize("s", [s for s in table() if s.rule.plain_env], ids=lambda s: s.name)
def test_the_prefixed_name_counts_when_both_are_given(s: Setting) -> None:
    samples = {
        "port": ("1001", "1002"),
        "tz": ("Europe/Berlin", "UTC"),
        "trusted_proxies": ("192.0.2.1", "10.0.0.0/8,::1"),
    }
    plain, prefixed = samples.get(s.name, ("http://plain.test", "http://prefixed.test"))
    config = load(environ={s.rule.plain_env: plain})
    assert _text(value_of(config, s.name)) == plain
    config = load(environ={s.env: prefixed, s.rule.plain_env: plain})
    assert _text(value_of(config, s.name)) == prefixed


def _text(value: object) -> str:
    """As one writes it in the environment."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value.reveal() if isinstance(value, Secret) else str(value)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(written(tmp_path, "port = 1001\n"), {"PORT": "", "BOTTALK_PORT": ""}).port == 1001


def test_a_setting_of_a_section_has_its_name_in_the_environment() -> None:
    assert load(environ={"BOTTALK_DELIVERY_QUOTA": "3"}).delivery.quota == 3
    assert load(environ={"BOTTALK_ILINK_APP_ID": "other"}).ilink.app_id == "other"


def test_no_two_settings_share_a_name_in_the_environment() -> None:
    names = [name for s in table() for name in (s.env, s.rule.plain_env) if name]
    assert len(names) == len(set(names))


# --- what is refused ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prot = 1\n", "unknown setting 'prot'; did you mean 'port'?"),
        ("[delivery]\nqouta = 1\n", "unknown setting 'delivery.qouta'; did you mean 'delivery.quota'?"),
        ("[deliver]\nquota = 1\n", "unknown setting 'deliver.quota'; did you mean 'delivery.quota'?"),
        ("delivery = 1\n", "unknown setting 'delivery'"),
        ("zzzzzzzz = 1\n", "unknown setting 'zzzzzzzz'"),
    ],
)
def test_an_unknown_name_in_the_file_is_named_with_what_was_meant(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    (found,) = problems(path)
    assert found.startswith(f"{path}: {problem}")


def test_an_unknown_variable_is_named_even_if_empty() -> None:
    (found,) = problems(environ={"BOTTALK_DELIVERY_QOUTA": "", "OTHER": "1"})
    assert found == "environment: unknown setting BOTTALK_DELIVERY_QOUTA; did you mean 'BOTTALK_DELIVERY_QUOTA'?"


def test_every_problem_is_told_at_once_with_the_place_of_its_value(tmp_path: Path) -> None:
    path = written(tmp_path, 'port = 70000\nnope = 1\nlog_level = "loud"\n')
    found = problems(path, {"BOTTALK_TZ": "Mars/Olympus", "BOTTALK_DEMO": "maybe", "BOTTALK_X": "1"}, {"max_body": 1})
    told = "\n".join(found)
    assert len(found) == 7
    for part in (
        f"{path}: port: ",
        "'nope'",
        f"{path}: log_level: ",
        "tz: ",
        "BOTTALK_DEMO: ",
        "BOTTALK_X",
        "max_body: ",
    ):
        assert part in told


@pytest.mark.parametrize("s", [s for s in table() if s.rule.low is not None], ids=lambda s: s.name)
def test_a_number_keeps_to_its_range(s: Setting) -> None:
    many = isinstance(s.default, tuple)

    def at(bound: float) -> object:
        number = bound if isinstance(s.default, float | tuple) else int(bound)
        return (number,) if many else number

    low, high = s.rule.low, s.rule.high
    assert low is not None
    assert value_of(load(environ={}, overrides={s.name: at(low)}), s.name) == at(low)
    assert f"must be at least {low:.10g}" in problems(overrides={s.name: at(low - 1)})[0]
    if high is not None:
        assert value_of(load(environ={}, overrides={s.name: at(high)}), s.name) == at(high)
        assert f"must be at most {high:.10g}" in problems(overrides={s.name: at(high + 1)})[0]


@pytest.mark.parametrize("s", [s for s in table() if s.rule.choices], ids=lambda s: s.name)
def test_a_choice_is_one_of_its_words(s: Setting) -> None:
    for word in s.rule.choices:
        assert value_of(load(environ={s.env: word}), s.name) == word
    (found,) = problems(environ={s.env: "other"})
    assert found == f"{s.env}: must be one of {', '.join(s.rule.choices)}, not 'other'"


@pytest.mark.parametrize(
    ("name", "raw", "problem"),
    [
        ("port", "many", "must be a whole number, not 'many'"),
        ("port", 3000.5, "must be a whole number, not 3000.5"),
        ("port", True, "must be a whole number, not True"),
        ("delivery.gap", "nan", "must be a number, not 'nan'"),
        ("delivery.probe", "inf", "must be a number, not 'inf'"),
        ("delivery.gap", [1], "must be a number, not [1]"),
        ("delivery.retry", [], "must not be empty"),
        ("delivery.retry", [1.0, "soon"], "must be a number, not 'soon'"),
        ("demo", "maybe", "must be true or false, not 'maybe'"),
        ("host", 1, "must be text, not 1"),
        ("ilink.allowed_hosts", [1], "must be text, not 1"),
        ("base_url", "push.example.org", "must be an http(s) address"),
        ("base_url", "https://user:word@push.example.org", "must be an http(s) address"),
        ("base_url", "https://[2001:db8::1", "must be an http(s) address"),
        ("base_url", "https://push.example.org:99999", "must be an http(s) address"),
        ("base_url", "https://push.example.org:a", "must be an http(s) address"),
        ("ilink.base_url", "http://[::1]x", "must be an http(s) address"),
        ("alert_url", Secret("https://[x/hook"), "must be an http(s) address"),
        ("host", "", "must be an address such as 127.0.0.1"),
        ("host", "ü" * 70, "must be an address such as 127.0.0.1"),
        ("data_dir", "", "must not be empty"),
        ("ilink.base_url", "ftp://example.org", "must be an http(s) address"),
        ("ilink.base_url", "", "must be an http(s) address"),
        ("ilink.client_version", "2.4", "must look like 2.4.9"),
        ("ilink.client_version", "2.4.256", "must look like 2.4.9, each part at most 255"),
        ("ilink.client_version", "", "must look like 2.4.9"),
        ("ilink.app_id", "", "must be visible ASCII"),
        ("ilink.route_tag", "a\nb", "must be visible ASCII"),
        ("tz", "Mars/Olympus", "unknown zone 'Mars/Olympus'"),
        ("tz", "../../etc/passwd", "unknown zone"),
        ("trusted_proxies", "10.0.0.1/8", "must be addresses or networks such as 10.0.0.0/8, not '10.0.0.1/8'"),
        ("trusted_proxies", ["proxy"], "must be addresses or networks such as 10.0.0.0/8, not 'proxy'"),
    ],
)
def test_a_bad_value_is_told_with_what_to_write_instead(name: str, raw: object, problem: str) -> None:
    (found,) = problems(overrides={name: raw})
    assert found.startswith(f"{name}: {problem}")


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("port", "0", 0),
        ("port", 8080.0, 8080),
        ("delivery.gap", 2, 2.0),
        ("delivery.retry", "1, 2.5,,60", (1.0, 2.5, 60.0)),
        ("delivery.retry", [1, 2], (1.0, 2.0)),
        ("ilink.allowed_hosts", ".weixin.qq.com, 127.0.0.1", (".weixin.qq.com", "127.0.0.1")),
        ("ilink.route_tag", "", ""),
        ("trusted_proxies", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        ("trusted_proxies", [], ()),
        ("base_url", "", ""),
        ("base_url", "https://push.example.org/wechat", "https://push.example.org/wechat"),
        *[("demo", word, True) for word in (True, "1", "true", "Yes", "ON")],
        *[("demo", word, False) for word in (False, "0", "false", "No", "off")],
    ],
)
def test_a_value_is_read_in_every_form(name: str, raw: object, value: object) -> None:
    found = value_of(load(environ={}, overrides={name: raw}), name)
    assert found == value
    assert type(found) is type(value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert problems(missing)[0].startswith(f"{missing}: ")
    broken = written(tmp_path, "port = \n")
    assert problems(broken)[0].startswith(f"{broken}: ")
    broken.write_bytes(b'host = "\xff"\n')
    assert problems(broken)[0].startswith(f"{broken}: ")


# --- secrets ---


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    config = load(environ={"SESSION_SECRET": "hush-hush"})
    assert config.session_secret == Secret("hush-hush")
    assert "hush" not in repr(config)
    assert "hush" not in str(config)
    told = "\n".join(problems(written(tmp_path, 'session_secret = ["hush-hush"]\nport = -1\n')))
    assert "session_secret: must be text" in told
    assert "hush" not in told


# --- config/bottalk.toml ---


def test_the_file_loads_as_it_is_and_changes_nothing() -> None:
    assert load(FILE, {}) == load(environ={})


def test_the_file_with_every_line_taken_into_use_is_the_defaults() -> None:
    tree = tomllib.loads(re.sub(r"^#(?=\w+ = )", "", FILE.read_text(encoding="utf-8"), flags=re.M))
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat.update({f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value})
    assert list(flat) == list(SETTINGS), "every setting, in the table's order"
    assert {name: list(v) if isinstance(v, tuple) else v for name, v in _defaults().items()} == flat


def _defaults() -> dict[str, object]:
    return {name: _text(s.default) if isinstance(s.default, Secret) else s.default for name, s in SETTINGS.items()}


@pytest.mark.parametrize("s", table(), ids=lambda s: s.name)
def test_the_file_says_of_a_setting_what_the_code_knows(s: Setting) -> None:
    section, _, name = s.name.rpartition(".")
    part = re.split(r"^\[(\w+)\]$", "[]\n" + FILE.read_text(encoding="utf-8"), flags=re.M)
    text = dict(zip(part[1::2], part[2::2], strict=True))[section] if section else part[0]
    assert f"\n\n# {s.rule.help}{_range(s)}\n# env: {_names(s)}\n#{name} = " in text


def _names(s: Setting) -> str:
    return f"{s.env}, {s.rule.plain_env}" if s.rule.plain_env else s.env


def _range(s: Setting) -> str:
    rule = s.rule
    if rule.choices:
        return f" ({' | '.join(rule.choices)})"
    if rule.low is None:
        return ""
    return f" (at least {rule.low:.10g})" if rule.high is None else f" ({rule.low:.10g} to {rule.high:.10g})"


# --- secrets from files ---


def test_a_secret_comes_from_the_file_its_variable_names(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("from a file\n", encoding="utf-8")
    for name in ("SESSION_SECRET", "BOTTALK_SESSION_SECRET"):
        loaded = read(None, {f"{name}_FILE": str(file)})
        assert loaded.config.session_secret == Secret("from a file")
        assert loaded.origins == {"session_secret": f"{name}_FILE"}


def test_a_secret_comes_from_the_units_credentials_and_a_variable_beats_it(tmp_path: Path) -> None:
    (tmp_path / "monitor_token").write_text("of systemd", encoding="utf-8")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    loaded = read(None, environ)
    assert loaded.config.monitor_token == Secret("of systemd")
    assert loaded.origins == {"monitor_token": "credential monitor_token"}
    assert load(environ=environ | {"MONITOR_TOKEN": "said"}).monitor_token == Secret("said")


def test_a_secret_file_that_cannot_be_used_is_named_and_its_text_is_not(tmp_path: Path) -> None:
    for name, raw in (("empty", b"\n"), ("large", b"hidden" * 20_000), ("binary", b"hidden\xff")):
        (tmp_path / name).write_bytes(raw)
    for name, what in (("empty", "is empty"), ("large", "too large"), ("binary", "UTF-8"), ("missing", "cannot be")):
        (problem,) = problems(environ={"MONITOR_TOKEN_FILE": str(tmp_path / name)})
        assert what in problem
        assert str(tmp_path / name) in problem
        assert "hidden" not in problem


def test_a_secret_given_twice_is_an_error(tmp_path: Path) -> None:
    (problem,) = problems(environ={"MONITOR_TOKEN": "x", "MONITOR_TOKEN_FILE": str(tmp_path)})
    assert problem == "MONITOR_TOKEN and MONITOR_TOKEN_FILE are both set: keep one of them"


def test_only_secrets_come_from_files() -> None:
    (problem,) = problems(environ={"BOTTALK_PORT_FILE": "/dev/null"})
    assert problem.startswith("environment: unknown setting BOTTALK_PORT_FILE")


def test_the_variables_of_client_commands_are_no_mistake() -> None:
    assert load(environ={"BOTTALK_SEND_KEY": "x", "BOTTALK_URL": "http://localhost:1"}) == Config()


# --- settings of a running daemon ---


def test_only_live_settings_are_taken_over_and_in_place() -> None:
    config = load(environ={}, overrides={"rate_limit": 5, "delivery.gap": 1.0})
    config = replace(config, delivery=replace(config.delivery))
    held, delivery = config, config.delivery
    found = load(environ={}, overrides={"rate_limit": 6, "delivery.gap": 2.0, "port": 1, "monitor_token": "new"})
    assert changed(config, found) == ["port", "rate_limit", "monitor_token", "delivery.gap"]
    assert take_over(config, found) == ["rate_limit", "monitor_token", "delivery.gap"]
    assert (held.rate_limit, held.monitor_token, held.port) == (6, Secret("new"), 3000)
    assert held.delivery is delivery
    assert delivery.gap == 2.0
    assert changed(config, found) == ["port"]
    assert take_over(config, found) == []


def test_live_settings_are_settings_and_what_is_open_is_not_among_them() -> None:
    assert set(SETTINGS) >= LIVE
    assert not LIVE & {"host", "port", "base_url", "data_dir", "session_secret", "tz", "trusted_proxies", "demo"}
