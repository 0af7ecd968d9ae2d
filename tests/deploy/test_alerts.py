"""deploy/alerts.yml: whole rules, sound expressions, and no metric or label that /metrics does not have."""

import re
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
    """Every metric that an expression reads, with the labels it asks for by `=`."""
    text = promql_parser.parse(expression).prettify()
    found = re.findall(r"\b([a-z_]+)\{([^}]*)\}|\b((?:bottalk_|up\b)[a-z_]*)", text)
    return [(name or bare, dict(re.findall(r'(\w+)="([^"]*)"', labels))) for name, labels, bare in found]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_is_whole(rule: dict[str, Any]) -> None:
    assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert rule["alert"].startswith("BotTalk")
    assert DURATION.fullmatch(rule.get("for", "0s"))
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description"}
    shown = re.findall(r"{{(.*?)}}", rule["annotations"]["description"])
    assert all(re.fullmatch(r" \$(labels\.\w+|value( \| humanize)?) ", one) for one in shown), shown


def test_names_are_not_used_twice() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 5


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
