"""Verdicts of a check-up: pure, so every case is a line."""

import pytest
from msgspec.structs import replace

from bottalk.ops import verdicts
from bottalk.ops.findings import DaemonFacts, Finding, Grade, Reach
from bottalk.store.checkup import Checkup

OK, WARN, FAIL = Grade
NOW = 1_790_000_000.0
SOUND = Checkup(schema=7, known=7, problems=(), newest_at=NOW, live=3)
WELL = DaemonFacts(process=1, version="1", uptime_s=60.0, channels=3, red=0, yellow=0, open_files=65536)
QUICK = Reach("https://ilink.example", 0.2, 404, server_at=NOW, here_at=NOW)
DATA = "/data"


def case(finding: Finding, grade: Grade, words: str = "") -> None:
    assert finding.grade is grade, finding
    assert words in finding.found + " → " + finding.advice
    assert bool(finding.advice) is (grade is not OK), "what is wrong comes with what to do, and nothing else does"


def test_the_database() -> None:
    case(verdicts.database(SOUND), OK, "schema 7")
    case(verdicts.database(replace(SOUND, schema=6)), OK, "brought to 7")
    case(verdicts.database(replace(SOUND, schema=8)), OK, "can work with it")
    case(verdicts.database(replace(SOUND, problems=("row 3 missing",))), FAIL, "row 3 missing")


def test_a_settings_file_with_secrets_is_for_few_eyes() -> None:
    case(verdicts.settings("/etc/b.toml", 0o644, [], 1), OK, "/etc/b.toml")
    case(verdicts.settings("/etc/b.toml", 0o640, ["invite"], 1), OK)
    case(verdicts.settings("/etc/b.toml", 0o644, ["invite"], 1), WARN, "invite")
    case(verdicts.settings("", 0, [], 0), OK)


def test_the_data_directory() -> None:
    case(verdicts.directory(DATA, "bottalk", "bottalk", True, True), OK)
    case(verdicts.directory(DATA, "bottalk", "bottalk", False, True), OK, "will be made")
    case(verdicts.directory(DATA, "bottalk", "root", True, True), WARN, "run this as bottalk")
    case(verdicts.directory(DATA, "bottalk", "ann", True, False), FAIL, "run this as bottalk")
    case(verdicts.directory(DATA, "ann", "ann", True, False), FAIL, "DATA_DIR")


@pytest.mark.parametrize(
    ("found", "grade"),
    [
        ({}, OK),
        ({DATA: 0o700, f"{DATA}/bottalk.db": 0o600}, OK),
        ({DATA: 0o700, f"{DATA}/bottalk.db": 0o644}, OK),  # nobody gets there
        ({DATA: 0o750, f"{DATA}/bottalk.db": 0o600}, WARN),
        ({DATA: 0o700, "/share": 0o755, "/share/bottalk-1.db": 0o600}, WARN),
        ({DATA: 0o700, f"{DATA}/backups": 0o755, f"{DATA}/backups/b.db": 0o644}, OK),
    ],
)
def test_who_can_look_into_the_data(found: dict[str, int], grade: Grade) -> None:
    case(verdicts.modes(found, [DATA, "/share"]), grade)


def test_the_disk() -> None:
    case(verdicts.disk(63 * 2**20, 0, DATA), FAIL, "63 MiB")
    case(verdicts.disk(400 * 2**20, 0, DATA), WARN)
    case(verdicts.disk(2**30, 0, DATA), OK)
    case(verdicts.disk(2**30, 2**30, DATA), WARN, "1025 MiB")


@pytest.mark.parametrize(
    ("now", "newest_at", "reach", "grade", "words"),
    [
        (NOW, NOW - 5, QUICK, OK, "right"),
        (NOW, NOW - 5, replace(QUICK, here_at=NOW + 31), OK, ""),  # the answer's own time is not held against us
        (NOW, NOW - 5, replace(QUICK, here_at=NOW + 45), WARN, "45 s ahead of"),
        (NOW, NOW - 5, replace(QUICK, here_at=NOW - 900), FAIL, "900 s behind"),
        (NOW, NOW + 60, QUICK, WARN, "set back"),
        (NOW, NOW + 3600, None, FAIL, "3600 s in the future"),
        (NOW, None, None, OK, "not known"),
        (NOW, None, Reach("https://x", 1.0, error="refused"), OK, "not known"),
        (86400.0, None, None, FAIL, "never set"),
    ],
)
def test_the_clock(now: float, newest_at: float | None, reach: Reach | None, grade: Grade, words: str) -> None:
    case(verdicts.clock(now, newest_at, reach), grade, words)


def test_ilink() -> None:
    case(verdicts.ilink(QUICK, demo=False), OK, "HTTP 404) in 200 ms")
    case(verdicts.ilink(replace(QUICK, error="refused"), demo=False), FAIL, "refused")
    case(verdicts.ilink(replace(QUICK, status=502), demo=False), WARN)
    case(verdicts.ilink(replace(QUICK, status=407), demo=False), WARN, "proxy")
    case(verdicts.ilink(replace(QUICK, seconds=3.0), demo=False), WARN, "slow")
    plain = replace(QUICK, url="http://ilink.example")
    case(verdicts.ilink(plain, demo=False), WARN, "https")
    case(verdicts.ilink(plain, demo=True), OK)


def test_proxies_of_the_environment() -> None:
    case(verdicts.proxies({}, ""), OK, "none")
    case(verdicts.proxies({"no": "*"}, ""), OK, "none")
    case(verdicts.proxies({"http": "http://p:1"}, ""), OK, "without one")
    case(verdicts.proxies({"https": "http://p:1"}, "http://p:1"), OK, "through http://p:1")
    case(verdicts.proxies({"https": "ftp://p:1"}, "ftp://p:1"), FAIL, "NO_PROXY")


@pytest.mark.parametrize(
    ("host", "base_url", "named", "grade", "words"),
    [
        ("127.0.0.1", "", "localhost", OK, "only this machine"),
        ("127.0.0.1", "https://push.example.org", "push.example.org", OK, ""),
        ("0.0.0.0", "https://push.example.org/", "push.example.org", OK, ""),
        ("0.0.0.0", "", "localhost", WARN, "set BASE_URL"),
        ("::", "http://[::1]:3000", "::1", WARN, "set BASE_URL"),
        ("127.0.0.1", "http://push.example.org", "push.example.org", WARN, "HTTPS"),
        ("127.0.0.1", "https://example.org/push", "example.org", WARN, "/push"),
    ],
)
def test_the_address(host: str, base_url: str, named: str, grade: Grade, words: str) -> None:
    case(verdicts.address(host, base_url, named), grade, words)


def test_whether_the_reverse_proxy_is_believed() -> None:
    public = "push.example.org"
    case(verdicts.forwarded("127.0.0.1", "localhost", (), None), OK)
    case(verdicts.forwarded("127.0.0.1", public, ("127.0.0.1",), WELL), OK, "trusted: 127.0.0.1")
    case(verdicts.forwarded("127.0.0.1", public, (), None), WARN, "TRUSTED_PROXIES")
    near = replace(WELL, untrusted_proxies=("203.0.113.9", "172.17.0.1"))
    case(verdicts.forwarded("0.0.0.0", public, (), near), WARN, "172.17.0.1 speaks")
    far = replace(WELL, untrusted_proxies=("8.8.8.8",))
    case(verdicts.forwarded("0.0.0.0", public, (), far), OK, "8.8.8.8")


def test_open_files() -> None:
    case(verdicts.open_files(65536, 5000), OK, "5000 channels")
    case(verdicts.open_files(1024, 500), WARN, "LimitNOFILE=65536")
    case(verdicts.open_files(1024, 1000), FAIL)
    case(verdicts.open_files(65536, 50000), WARN, f"LimitNOFILE={2 * (100000 + 256)}")


def test_the_daemon() -> None:
    case(verdicts.daemon(WELL, "1"), OK, "process 1")
    case(verdicts.daemon(WELL, "2"), WARN, "restart it")
    case(verdicts.daemon(replace(WELL, red=1), "1"), WARN, "bottalk status")
    case(verdicts.daemon(replace(WELL, hosts_down=("h",)), "1"), WARN, "does not answer it: h")
    both = verdicts.daemon(replace(WELL, hosts_down=("h",), red=1), "2")
    for words in ("restart it", "see `ilink`", "bottalk status"):
        case(both, WARN, words)  # none hides another
    case(verdicts.daemon(replace(WELL, not_running=("http",)), "1"), FAIL, "http")
    case(verdicts.daemon(replace(WELL, cannot_write="disk full"), "1"), FAIL, "disk full")


@pytest.mark.parametrize(
    ("newest_at", "every", "has_database", "uptime_s", "grade"),
    [
        (None, 24.0, False, None, OK),
        (None, 24.0, True, None, WARN),
        (None, 24.0, True, 60.0, OK),  # the daemon makes its first one when it has started
        (None, 0.0, True, 60.0, WARN),
        (None, 24.0, True, 7200.0, WARN),
        (NOW - 3600, 24.0, True, None, OK),
        (NOW + 60, 24.0, True, None, OK),
        (NOW - 49 * 3600, 24.0, True, None, WARN),
        (NOW - 49 * 3600, 0.0, True, None, OK),
        (NOW - 15 * 86400, 0.0, True, None, WARN),
    ],
)
def test_backups(
    newest_at: float | None, every: float, has_database: bool, uptime_s: float | None, grade: Grade
) -> None:
    case(verdicts.backups(newest_at, every, NOW, has_database, uptime_s), grade)
