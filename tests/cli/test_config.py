"""`bottalk config check` and `show`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bottalk.cli import main
from bottalk.config import table

WORD = "a-word-nobody-shows"


@pytest.fixture(autouse=True)
def no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for s in table():
        for name in s.names:
            monkeypatch.delenv(name, raising=False)


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bottalk.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_check_says_how_many_are_set(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 4000\n[delivery]\nqueue = 7\n")
    found = CliRunner().invoke(main, ["config", "check", "--config", file])
    assert found.exit_code == 0
    assert found.output == f"the settings are right: 2 set, {len(table()) - 2} at their defaults\n"


def test_check_tells_every_mistake_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, 'prot = 4000\nlog_level = "loud"\n[delivery]\nquota = 0\n')
    found = CliRunner().invoke(main, ["config", "check", "--config", file])
    assert found.exit_code == 78
    for words in ("did you mean 'port'", "log_level: must be one of", "delivery.quota: must be at least 1"):
        assert words in found.stderr


@pytest.mark.parametrize("command", [["config", "check"], ["serve", "--port", "0"]], ids=["check", "serve"])
def test_a_bad_file_of_words_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    words = tmp_path / "words.toml"
    words.write_text('digset = "x"\n', encoding="utf-8")
    monkeypatch.setenv("BOTTALK_WORDS", str(words))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 78
    assert f"{words}: digset: unknown word, did you mean 'digest'?" in found.stderr


def test_show_tells_value_and_origin_and_masks_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_TOKEN", WORD)
    file = written(tmp_path, "port = 4000\n")
    lines = CliRunner().invoke(main, ["config", "show", "--config", file]).output.splitlines()
    assert len(lines) == len(table())
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert told["port"] == f"4000  ({file})"
    assert told["monitor_token"] == '"(set)"  (MONITOR_TOKEN)'
    assert told["tz"] == '"Asia/Shanghai"  (default)'
    assert WORD not in str(lines)


def test_show_set_leaves_defaults_out_and_json_is_json(tmp_path: Path) -> None:
    file = written(tmp_path, "[delivery]\nretry = [1.0]\n")
    found = CliRunner().invoke(main, ["config", "show", "--set", "--json", "--config", file])
    assert json.loads(found.output) == {
        "delivery.retry": {"value": [1.0], "origin": file, "default": [1.0, 2.0, 5.0, 15.0, 60.0, 300.0]}
    }
