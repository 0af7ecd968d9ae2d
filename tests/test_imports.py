"""Who may import whom (docs/architecture.en.md): left may not see right."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "bottalk.values",
        "bottalk.messages",
        "bottalk.errors",
        "bottalk.config",
        "bottalk.clock",
        "bottalk.loopback",
        "bottalk.measures",
        "bottalk.tracing",
        "bottalk.words",
    ),
    ("bottalk.delivery", "bottalk.schedule", "bottalk.health", "bottalk.alarms"),
    ("bottalk.store", "bottalk.ilink"),
    ("bottalk.directory", "bottalk.outbox", "bottalk.agenda", "bottalk.newcomers", "bottalk.writable"),
    ("bottalk.verbs",),
    ("bottalk.actors",),
    ("bottalk.service",),
    ("bottalk.http", "bottalk.console"),
    ("bottalk.daemon",),
    ("bottalk.cli", "bottalk.__main__"),
)
"""From left to right: a module may import from its own layer and those before it."""

SIDE = {
    "bottalk.ops": (
        "bottalk.values",
        "bottalk.messages",
        "bottalk.errors",
        "bottalk.config",
        "bottalk.loopback",
        "bottalk.tracing",
        "bottalk.store",
    ),
    "bottalk.sandbox": (),
}
"""Parts outside the row, and what of it they may import. All but the row's last three leave them alone."""

PURE = (
    "bottalk.delivery",
    "bottalk.schedule",
    "bottalk.health",
    "bottalk.alarms",
    "supervisors.restart",
    "bottalk.sandbox.rules",
)
ACTORS = ("journal", "ratelimit", "channels", "bindings", "reminders", "housekeeper", "alarms", "watchdog")
"""They never import each other: `daemon` hands them what they talk to. (`channel` and `binding` are their children.)"""

IMPURE = ("trio", "time", "random", "secrets", "os", "socket", "bottalk.clock")


def test_every_import_goes_left() -> None:
    problems = [problem for path in sources(ROOT) for problem in check(module_name(ROOT, path), path.read_text())]
    assert problems == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("supervisors.mailbox", "import bottalk.values"),
        ("supervisors.mailbox", "import httpx"),
        ("bottalk.delivery.window", "from bottalk.actors.journal import Journal"),
        ("bottalk.delivery.pacing", "import trio"),
        ("bottalk.delivery.retry", "import time"),
        ("bottalk.store.users", "from bottalk.directory import Directory"),
        ("bottalk.ilink.client", "from bottalk.store import users"),
        ("bottalk.store.users", "from bottalk.ilink.client import Ilink"),
        ("bottalk.sandbox.core", "from bottalk.ilink.shapes import Sent"),
        ("bottalk.sandbox.core", "from bottalk.values import Secret"),
        ("bottalk.sandbox.rules.qr", "import trio"),
        ("bottalk.ilink.client", "from bottalk import sandbox"),
        ("bottalk.http.pushes", "from bottalk.daemon import Daemon"),
        ("bottalk.http.pushes", "from bottalk.actors.journal import Journal"),
        ("bottalk.http.channels", "from bottalk.ilink.errors import IlinkError"),
        ("bottalk.console.pages", "from bottalk.store import users"),
        ("bottalk.service.pushes", "from bottalk.http import answers"),
        ("bottalk.actors.journal", "from bottalk.actors.channels import Channels"),
        ("bottalk.values", "from bottalk.delivery import window"),
    ],
)
def test_a_forbidden_import_is_found(module: str, line: str) -> None:
    assert check(module, line) != []


def sources(root: Path) -> list[Path]:
    return sorted(path for package in ("bottalk", "supervisors") for path in (root / package).rglob("*.py"))


def module_name(root: Path, path: Path) -> str:
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def check(module: str, source: str) -> list[str]:
    """What is wrong with a module's imports, in words."""
    imported = sorted(_imports(ast.parse(source)))
    return [f"{module} imports {name}: {why}" for name in imported for why in _why_not(module, name)]


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _why_not(module: str, name: str) -> list[str]:
    why: list[str] = []
    if _in(module, "supervisors") and not (_in(name, "supervisors") or _in(name, "trio") or _is_stdlib(name)):
        why.append("supervisors knows trio and the standard library only")
    if any(_in(module, pure) for pure in PURE) and any(_in(name, impure) for impure in IMPURE):
        why.append("pure code takes time and chance as arguments")
    if name.startswith("bottalk.") and name != "bottalk.__version__":
        why += _layering(module, name)
    return why


def _layering(module: str, name: str) -> list[str]:
    mine, theirs = _layer(module), _layer(name)
    for side, allowed in SIDE.items():
        if _in(module, side) and not _in(name, side) and not any(_in(name, one) for one in allowed):
            return [f"{side} sees only {allowed or 'itself'}"]
        if _in(name, side) and not _in(module, side) and mine is not None and mine < _layer_of("bottalk.http"):
            return [f"{side} is for the edges"]
    if mine is None or theirs is None:
        return []
    if theirs > mine:
        return ["left may not see right"]
    if module != name and {_actor(module), _actor(name)} <= set(ACTORS) and _actor(module) != _actor(name):
        return ["actors never import each other"]
    if mine == theirs and {_part(module), _part(name)} == {"bottalk.store", "bottalk.ilink"}:
        return ["store and ilink know nothing of each other"]
    if mine >= _layer_of("bottalk.http") and mine < _layer_of("bottalk.daemon"):
        return _edge(name)
    return []


def _edge(name: str) -> list[str]:
    """http and console talk to the service; values, messages, errors, config and clock are everybody's."""
    part = _part(name)
    reached = (
        "bottalk.store",
        "bottalk.ilink",
        "bottalk.actors",
        "bottalk.directory",
        "bottalk.outbox",
        "bottalk.verbs",
    )
    return ["the edges talk to the service only"] if part in reached else []


def _actor(name: str) -> str:
    return name.removeprefix("bottalk.actors.").split(".")[0] if _in(name, "bottalk.actors") else ""


def _part(name: str) -> str:
    return next((part for layer in LAYERS for part in layer if _in(name, part)), "")


def _layer(name: str) -> int | None:
    return next((n for n, layer in enumerate(LAYERS) for part in layer if _in(name, part)), None)


def _layer_of(part: str) -> int:
    return next(n for n, layer in enumerate(LAYERS) if part in layer)


def _in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _is_stdlib(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names
