"""deploy/alerts.yml: whole rules, sound expressions, and no metric or label that /metrics does not have."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.units import DEPLOY
from tests.http.thousand import MONITOR
from tests.support.http import open_site

PROMETHEUS_OWN = {"up"}
SEVERITIES = {"warning", "critical"}
DURATION = re.compile(r"\d+[smhd]")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    assert group["name"] == "bottalk"
    found: list[dict[str, Any]] = group["rules"]
    return found


def selectors(expression: str) -> list[tuple[str, dict[str, str]]]:
    """Every metric that an expression reads, with the labels it asks for; each of several values of one by itself."""
    return [one for found in _vectors(promql_parser.parse(expression)) for one in _read_by(found)]


def _vectors(expression: object) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
        return
    parts = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    for part in (*parts, *(getattr(expression, "args", None) or ())):
        if part is not None:
            yield from _vectors(part)


def _read_by(found: promql_parser.VectorSelector) -> Iterator[tuple[str, dict[str, str]]]:
    matchers = found.matchers.matchers
    read = (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
    assert all(one.op in read for one in matchers), f"{found.prettify()} is not read here"
    values = [[(one.name, value) for value in one.value.split("|")] for one in matchers]
    for labels in itertools.product(*values):
        yield found.name or "", dict(labels)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_is_whole(rule: dict[str, Any]) -> None:
    assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert rule["alert"].startswith("BotTalk")
    assert DURATION.fullmatch(rule.get("for", "0s"))
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description"}
    shown = re.findall(r"{{(.*?)}}", rule["annotations"]["description"])
    assert all(re.fullmatch(r" \$(labels\.\w+|value( \| humanize(Duration)?)?) ", one) for one in shown), shown


def test_names_are_not_used_twice() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 5


def test_every_metric_of_an_expression_is_found() -> None:
    expression = (
        'histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="1"}[5m]))) > 3 '
        'and max_over_time((b{y=~"1|2"} - c offset 1h)[6h:1m]) == time() - -d'
    )
    assert selectors(expression) == [
        ("a_bucket", {"x": "1"}),
        ("b", {"y": "1"}),
        ("b", {"y": "2"}),
        ("c", {}),
        ("d", {}),
    ]


WATCHED = {
    "bottalk_queue_oldest_seconds",
    "bottalk_channels_ill",
    "bottalk_actor_restarts_total",
    "bottalk_child_restarts_total",
    "bottalk_journal_up",
    "bottalk_journal_commit_seconds_bucket",
    "bottalk_backup_failing",
    "bottalk_ilink_up",
}
"""What an operator must hear of: rows that wait, dead channels, crashes, an ill database or iLink, backups."""


def test_what_must_be_heard_of_has_a_rule() -> None:
    assert {name for rule in rules() for name, _ in selectors(rule["expr"])} >= WATCHED


async def test_every_metric_and_label_exists(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"monitor_token": MONITOR}) as the:
        browser = await the.browser()
        await the.bind(browser)
        answer = await browser.get("/metrics", headers={"authorization": f"Bearer {MONITOR}"})
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    read = [(rule["alert"], *one) for rule in rules() for one in selectors(rule["expr"])]
    assert {alert for alert, _, _ in read} == {rule["alert"] for rule in rules()}
    for alert, name, labels in read:
        if name not in PROMETHEUS_OWN:
            fit = [s for s in samples if s.name == name and labels.items() <= s.labels.items()]
            assert fit, f"{alert} reads {name}{labels}, which /metrics does not have"
    for rule in rules():
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"])) - {"instance"}
        names = {name for name, _ in selectors(rule["expr"])}
        assert shown <= {label for s in samples if s.name in names for label in s.labels}, rule["alert"]
