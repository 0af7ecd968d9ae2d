"""`docs/cli.md` and `docs/cli.en.md` against the commands themselves: every command, option, argument and exit code."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bottalk.cli import exits, main
from tests.cli.commands import help_of

PAGES = ("docs/cli.md", "docs/cli.en.md")
ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    for name, command in group.commands.items():
        words = f"{before}{name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} ")
        else:
            yield words, command


def parameters(command: click.Command) -> set[str]:
    return {
        found.make_metavar(click.Context(command)).strip("[]") if isinstance(found, click.Argument) else found.opts[0]
        for found in command.params
    }


def sections(name: str) -> dict[str, str]:
    """The text below each command's heading."""
    parts = re.split(r"^#{2,3} (.*)$", page(name), flags=re.M)
    return {
        title.removeprefix("`bottalk ").rstrip("`"): text
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
        if title.startswith("`bottalk ")
    }


def rows(text: str) -> list[str]:
    """The first cell of each row of its table."""
    return [cell.replace("\\|", "|") for cell in re.findall(r"^\| `([^`]+)` \|", text, flags=re.M)]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_and_every_option_is_there_and_no_other(name: str) -> None:
    told = {words: set(rows(text)) for words, text in sections(name).items()}
    assert told == {words: parameters(command) for words, command in commands(main)}


@pytest.mark.parametrize("name", PAGES)
def test_every_exit_code_is_there_and_no_other(name: str) -> None:
    table = page(name).split("\n## ")[1]
    known = {value for key, value in vars(exits).items() if key.isupper() and isinstance(value, int)}
    assert {int(code) for code in rows(table)} == known | {click.UsageError.exit_code}
    for words, text in sections(name).items():
        (line,) = re.findall(r"^(?:退出码：|Exit codes: )(.*)$", text, flags=re.M)
        assert {int(code) for code in re.findall(r"\b\d+\b", line)} <= known | {2}, words


@pytest.mark.parametrize("words", [words for words, _ in commands(main)])
def test_help_names_every_exit_code_that_the_page_names(words: str) -> None:
    """Its own, or that of the group it belongs to."""
    text = help_of(*words.split()) + help_of(words.split()[0])
    told = {
        code
        for part in re.findall(r"(?i)exit codes?:?(.*?)(?:\n\n|\Z)", text, re.S)
        for code in re.findall(r"\d+", part)
    }
    (line,) = re.findall(r"^Exit codes: (.*)$", sections("docs/cli.en.md")[words], flags=re.M)
    assert set(re.findall(r"\b\d+\b", line)) <= told


@pytest.mark.parametrize(("words", "command"), list(commands(main)), ids=[words for words, _ in commands(main)])
def test_every_option_and_every_command_says_what_it_does(words: str, command: click.Command) -> None:
    assert command.help
    assert [found.name for found in command.params if isinstance(found, click.Option) and not found.help] == []
