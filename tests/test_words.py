"""What BotTalk says on the phone: the file of words, and that config/words.toml shows each."""

import ast
import inspect
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from bottalk.config import ConfigError, load
from bottalk.daemon import open_daemon, style_of
from bottalk.words import DEFAULT, Words, load_words

FILE = Path(__file__).parent.parent / "config" / "words.toml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "words.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    """What a load complains about, a line each, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load_words(path)
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).split("\n")]


def said_of_each() -> dict[str, str]:
    """The docstring of every word, in their order."""
    (declared,) = ast.parse(inspect.getsource(Words)).body
    assert isinstance(declared, ast.ClassDef)
    body = declared.body
    found: dict[str, str] = {}
    for field, doc in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(doc, ast.Expr), field.target.id
            assert isinstance(doc.value, ast.Constant)
            found[field.target.id] = " ".join(str(doc.value.value).split())
    return found


def test_what_a_file_names_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    words = load_words(written(tmp_path, 'digest = "{count} messages"\nstatus_words = ["stat"]\nwelcome = ""\n'))
    assert words == Words(digest="{count} messages", status_words=("stat",), welcome="")
    assert load_words(written(tmp_path, "")) == DEFAULT


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'digset = "x"\ndigest = 5\nfew_left = "{lefft}"\nlast = "{count}"\nnudge = "{left:>9}"\nstatus = "{left"\n'
        'cleared = " "\nmore_link = "more"\nstatus_words = "状态"\nclear_words = ["", 1]\nwelcome = "{0} {url.x}"\n'
        f'more_missing = "{"x" * 81}"\n',
    )
    assert problems(path) == [
        "digset: unknown word, did you mean 'digest'?",
        "digest: must be text, not 5",
        "few_left: unknown value {lefft}, did you mean 'left'?; it may use {left}",
        "last: unknown value {count}; it may use none",
        "nudge: write {left} alone, without a format",
        "status: expected '}' before end of string; write {{ for a brace that stands for itself",
        "cleared: must not be empty",
        "more_link: must use {url}: else nobody finds the rest",
        'status_words: must be a list of words, such as ["状态", "status"]',
        'clear_words: must be a list of words, such as ["状态", "status"]',
        "welcome: unknown value {0}; it may use {url}, {quota}",
        "welcome: unknown value {url.x}, did you mean 'url'?; it may use {url}, {quota}",
        "more_missing: must be at most 80 characters, not 81",
    ]


def test_one_command_does_one_thing(tmp_path: Path) -> None:
    path = written(tmp_path, 'status_words = ["X", "y"]\nclear_words = [" x "]\n')
    assert problems(path) == ["status_words and clear_words: both have x"]


@pytest.mark.parametrize("text", ["digest = ", "\xff", None], ids=["not TOML", "not UTF-8", "no file"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "words.toml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        load_words(path)


def test_braces_that_stand_for_themselves(tmp_path: Path) -> None:
    words = load_words(written(tmp_path, 'digest = "{{{count}}}"\n'))
    assert words.digest.format(count=3) == "{3}"


def test_every_default_passes_its_own_rules(tmp_path: Path) -> None:
    shown = FILE.read_text(encoding="utf-8")
    taken_off = re.sub(r"^#(\w+ = )", r"\1", shown, flags=re.MULTILINE)
    assert load_words(written(tmp_path, taken_off)) == DEFAULT
    assert list(tomllib.loads(taken_off)) == list(Words.__struct_fields__)
    assert tomllib.loads(shown) == {}


def test_the_file_says_which_words_may_be_left_empty(tmp_path: Path) -> None:
    texts = [name for name in Words.__struct_fields__ if isinstance(getattr(DEFAULT, name), str)]
    path = written(tmp_path, "".join(f'{name} = ""\n' for name in texts))
    refused = {line.removesuffix(": must not be empty") for line in problems(path) if line.endswith("not be empty")}
    [said] = re.findall(r'These may be "", and are then not said: ([^.]*)\.', FILE.read_text(encoding="utf-8"))
    may_be = said.replace("\n#", "").split(", ")
    assert may_be == [name for name in texts if name not in refused]
    words = load_words(written(tmp_path, "".join(f'{name} = ""\n' for name in may_be)))
    assert [getattr(words, name) for name in may_be] == [""] * len(may_be)
    lists = load_words(written(tmp_path, "status_words = []\nclear_words = []\n"))
    assert (lists.status_words, lists.clear_words) == ((), ())


def test_the_file_says_of_each_word_when_it_is_used() -> None:
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if name := re.match(r"#(\w+) = ", line):
            found[name[1]], comment = " ".join(comment), []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        else:
            comment = []
    assert found == said_of_each()


async def test_the_daemon_speaks_by_the_file_and_does_not_start_with_a_bad_one(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path / "data"), "port": 0, "words": str(written(tmp_path, 'digest = "{count}x"\n'))}
    config = load(environ={}, overrides=settings)
    assert style_of(config).words.digest == "{count}x"
    written(tmp_path, 'digset = "x"\n')
    with pytest.raises(ConfigError, match="digset"):
        async with open_daemon(config):
            pass
    assert not (tmp_path / "data").exists(), "nothing was begun"


@pytest.mark.parametrize(
    ("base_url", "pages"),
    [
        ("", None),
        ("http://localhost:3000", None),
        ("http://bottalk.localhost", None),
        ("http://127.1.2.3/x", None),
        ("http://[::1]:3000", None),
        ("http://0.0.0.0:3000", None),
        ("https://push.example.org/", "https://push.example.org"),
        ("http://192.168.1.2:3000", "http://192.168.1.2:3000"),
    ],
)
def test_a_link_is_sent_only_where_a_phone_can_follow_it(base_url: str, pages: str | None) -> None:
    assert load(environ={}, overrides={"base_url": base_url}).pages_url == pages
