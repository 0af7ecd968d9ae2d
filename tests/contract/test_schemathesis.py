"""`schemathesis run` against the running daemon: what `/openapi.json` says is what the daemon does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from schemathesis.checks import CHECKS as REGISTRY
from schemathesis.checks import load_all_checks

from tests.contract.live import Live, bound, open_live
from tests.support.http import COOKIE, OWN_CODE, PUBLIC_CODE

ROOT = Path(__file__).parents[2]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
PHASES = ("examples", "coverage", "fuzzing")
"""Not `stateful`: it follows links between operations, and the description names none."""
EXAMPLES = 6
"""Made up for each operation, besides some 60 that cover the limits of its parameters."""
WITHIN_S = 50.0
LONGEST_LINE = 300
LEFT_OUT = {
    "negative_data_rejection": "the contract takes scalars for texts, ignores unknown fields, refuses with 200 too",
    "positive_data_acceptance": "a valid request may be refused: nothing to change, an unknown id, a disabled setting",
    "missing_required_header": "no header is required",
    "use_after_free": "a deleted reminder is answered with 200 and an error, as the contract says",
    "ensure_resource_availability": "ids of accounts, channels and codes are not handed out by a POST of their own",
    "object_level_authorization": "test_guards asks every route with another account's session",
}


def test_every_check_is_made_or_left_out_for_a_reason() -> None:
    load_all_checks()
    assert {*CHECKS, *LEFT_OUT} == set(REGISTRY.get_all_names())
    assert not set(CHECKS) & set(LEFT_OUT)


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_the_daemon_does_what_its_description_says(tmp_path: Path, role: str) -> None:
    async with open_live(tmp_path, patience=WITHIN_S + 5, codes_in_all=40, **{"delivery.queue": 100_000}) as live:
        if role == "admin":
            await live.daemon.services.users.grant("1")
        await bound(live.browser, live.sandbox, OWN_CODE)
        code = (await live.browser.post(PUBLIC_CODE)).json()["data"]["qrcode"]
        reminder = {"title": "喝水", "time": "09:30", "type": "daily"}
        assert (await live.browser.post("/api/reminders", json=reminder)).json()["id"] == 1
        assert (await live.browser.post(f"/{live.key}.send", json={"title": "x"})).json()["code"] == 0
        finished = await run(live, code)
    told = "\n".join(line[:LONGEST_LINE] for line in finished.stdout.decode().splitlines())
    assert finished.returncode == 0, told


async def run(live: Live, code: str) -> "subprocess.CompletedProcess[bytes]":
    """Bounded, and the same cases at each run."""
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{live.daemon.url}/openapi.json", "--url", live.daemon.url),
        *("--checks", ",".join(CHECKS), "--phases", ",".join(PHASES), "--max-examples", str(EXAMPLES)),
        *("--generation-deterministic", "--continue-on-failure", "--suppress-health-check", "all", "--no-color"),
    )
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "1",
        "PYTHONWARNINGS": "",
        "SCHEMATHESIS_HOOKS": "tests.contract.schemathesis_hooks",
        "TEST_SEND_KEY": live.key,
        "TEST_COOKIE": live.browser.cookies[COOKIE],
        "TEST_QRCODE": code,
        "TEST_BASE_URL": live.daemon.url,
    }
    with trio.fail_after(WITHIN_S):
        return await trio.run_process(
            command, env=env, cwd=ROOT, capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
