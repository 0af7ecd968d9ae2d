"""What is written in the page's files: nothing from third parties, nothing inline, names that fit together."""

import re
from pathlib import Path

import pytest

import bottalk.console
from bottalk.console.assets import load

HERE = Path(bottalk.console.__file__).parent
STATIC = HERE / "static"
PAGE = (HERE / "templates" / "first_page.html").read_text()
FILES = sorted([*STATIC.iterdir(), *(HERE / "templates").iterdir()])
SCRIPTS = {path.name: path.read_text() for path in sorted(STATIC.glob("*.js"))}
IDS = re.findall(r'\bid="([^"]+)"', PAGE)

ANOTHER_HOST = re.compile(r"""(?:https?|wss?):/{2}[^\s"'<>)]*|["'(=]//\w[^\s"'<>)]*|@import[^;]*""")
NAMESPACE = "http://www.w3.org/2000/svg"
"""A name, not an address: nothing is fetched from it."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    assert [found for found in ANOTHER_HOST.findall(path.read_text()) if found != NAMESPACE] == []


@pytest.mark.parametrize("text", ['src="//cdn.example/x.js"', "url(https://fonts.example/a)", '@import "x.css";'])
def test_another_host_would_be_found(text: str) -> None:
    assert ANOTHER_HOST.search(text)


def test_the_page_has_nothing_inline() -> None:
    assert re.findall(r"<script(?![^>]*\bsrc=)", PAGE) == []
    assert re.findall(r"<style|\bstyle=|\son[a-z]+=|javascript:", PAGE) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_no_markup_and_no_code_from_data(name: str) -> None:
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout\(\s*[\"'`]"
    assert re.findall(makers, SCRIPTS[name]) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_what_is_there(name: str) -> None:
    for names, module in re.findall(r'import \{([^}]+)\} from "\./([^"]+)"', SCRIPTS[name]):
        assert module in SCRIPTS
        for wanted in (part.strip() for part in names.split(",")):
            assert re.search(rf"export (?:async )?(?:function|class|const) {wanted}\b", SCRIPTS[module]), wanted


def test_ids_are_unique_and_scripts_name_only_those_of_the_page() -> None:
    assert len(IDS) == len(set(IDS))
    named = {found for script in SCRIPTS.values() for found in re.findall(r'byId\("([^"]+)"\)', script)}
    assert named <= set(IDS)
    assert set(re.findall(r'data-copy="([^"]+)"', PAGE)) <= set(IDS)


def test_every_state_that_is_shown_has_words_and_a_panel() -> None:
    words = SCRIPTS["words.js"]
    states = set(re.findall(r"^  (\w+): \{", words, re.MULTILINE))
    shown = set(re.findall(r'(?:show|end|showAccount)\("(\w+)"', "".join(SCRIPTS.values())))
    assert shown <= states
    panels = set(re.findall(r'panel: "(\w+)"', words)) - {"none"}
    assert {f"panel-{panel}" for panel in panels} == {found for found in IDS if found.startswith("panel-")}


def test_labels_and_descriptions_point_at_something() -> None:
    for attribute in ("for", "aria-labelledby", "aria-describedby"):
        assert set(re.findall(rf'\b{attribute}="([^"]+)"', PAGE)) <= set(IDS)


def test_the_stamp_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "b.css").write_text("2")
    before = load(tmp_path)
    assert load(tmp_path) == before
    (tmp_path / "b.css").write_text("3")
    after = load(tmp_path)
    assert after.stamp != before.stamp
    assert after.files["a.js"].etag == before.files["a.js"].etag


def test_a_file_of_unknown_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        load(tmp_path)
