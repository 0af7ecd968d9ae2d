"""Which messages of the user are commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.delivery.commands import command_of
from bottalk.values import Command
from bottalk.words import DEFAULT

NAMES = {*DEFAULT.status_words, *DEFAULT.clear_words}


@pytest.mark.parametrize("text", ["状态", " 状态 \n", "status", "Status", "STATUS", "\tstatus", "状态。", "status."])
def test_the_status_is_asked_for(text: str) -> None:
    assert command_of(text, DEFAULT) is Command.STATUS


@pytest.mark.parametrize("text", ["清空", "　清空", "清空。"])
def test_the_queue_is_emptied(text: str) -> None:
    assert command_of(text, DEFAULT) is Command.CLEAR


@pytest.mark.parametrize("text", ["", " ", "。", "hi", "状态如何", "清空吗", "请清空", "statuses", "状 态", "清空。。"])
def test_nothing_else_is_a_command(text: str) -> None:
    assert command_of(text, DEFAULT) is None


@given(st.text())
def test_a_command_is_the_whole_text(text: str) -> None:
    if command_of(text, DEFAULT) is not None:
        assert text.strip().removesuffix("。").removesuffix(".").strip().casefold() in NAMES


def test_the_operator_names_the_commands() -> None:
    words = replace(DEFAULT, status_words=("Stand", ""), clear_words=())
    assert command_of("STAND", words) is Command.STATUS
    assert command_of("", words) is None
    assert command_of("清空", words) is None
    assert command_of("状态", words) is None
