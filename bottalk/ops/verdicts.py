"""What is well and what is not about this machine, this database and this daemon. Pure: facts in, findings out."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from bottalk.loopback import is_loopback
from bottalk.ops.findings import DaemonFacts, Finding, Reach, fail, ok, warn
from bottalk.store.checkup import Checkup

LEAST_FREE = 64 * 2**20
"""Bytes on the disk below which the daemon will soon be unable to write."""

LITTLE_FREE = 512 * 2**20

SLOW_S = 2.0
"""Seconds; iLink answers in some tenths of one."""

SKEW_WARN_S = 30.0
SKEW_FAIL_S = 300.0
"""Seconds between our clock and iLink's: reminders and the window's forecast go by ours."""

LEAST_YEAR_AT = 1_735_689_600.0
"""2025 began then: a clock before it was never set."""

FIRST_BACKUP_WITHIN_S = 3600.0

PER_CHANNEL = 2
"""Connections that a channel has open at once: its poll, and a send."""

BESIDE = 256
"""Connections and files beside those: clients, the database, the logs."""


def database(found: Checkup) -> Finding:
    if found.problems:
        what_to_do = "stop the daemon and restore a backup: bottalk restore --help"
        return fail("database", f"it is damaged: {'; '.join(found.problems)}", what_to_do)
    if found.schema < found.known:
        return ok("database", f"sound; its schema {found.schema} is brought to {found.known} at the next start")
    if found.schema > found.known:
        return ok("database", f"sound; its schema {found.schema} is newer, and this version can work with it")
    return ok("database", f"sound; schema {found.schema}")


def settings(path: str, mode: int, secrets: Sequence[str], is_set: int) -> Finding:
    """`path`: the settings file, empty without one, and its `mode`; `secrets`: names of those that stand in it."""
    if secrets and mode & 0o007:
        what = f"{path} holds {', '.join(secrets)}, and every account of this machine can read it"
        return warn("settings", what, f"chmod o-rwx {path}; or keep secrets in files of their own (…_FILE)")
    return ok("settings", f"right; {is_set} are not at their defaults{f', file {path}' if path else ''}")


def directory(path: str, owner: str, me: str, is_there: bool, is_usable: bool) -> Finding:
    """`owner` and `me` are names of accounts; `is_usable`: it, or where it will be made, can be written by `me`."""
    if not is_usable:
        advice = f"run this as {owner}" if owner != me else "make it writable, or set DATA_DIR to another one"
        return fail("data directory", f"{path} (of {owner}) cannot be written by {me}", advice)
    if not is_there:
        return ok("data directory", f"{path} is not there yet, and will be made")
    if owner != me:
        return warn("data directory", f"{path} belongs to {owner}, this is {me}", f"run this as {owner}, as the daemon")
    return ok("data directory", path)


def modes(found: Mapping[str, int], directories: Sequence[str]) -> Finding:
    """`found`: the permissions of those `directories` that are there and of what lies in them, by path. What lies in
    a closed directory is closed, whatever its own permissions say."""
    open_ones = [path for path in directories if found.get(path, 0) & 0o077]
    shut = [path for path in directories if path in found and path not in open_ones]
    open_ones += [path for path, mode in found.items() if mode & 0o077 and not any(_is_in(path, one) for one in shut)]
    named = list(dict.fromkeys(open_ones))
    if not named:
        return ok("permissions", "only their owner can look into the data and the backups")
    shown = ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")
    advice = (
        f"SendKeys and tokens are in there: chmod -R go-rwx {' '.join(path for path in directories if path in found)}"
    )
    return warn("permissions", f"other accounts of this machine can reach {shown}", advice)


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def disk(free: int, needed: int, where: str) -> Finding:
    """`needed`: bytes of a copy of the database, which a backup or an upgrade makes."""
    found = f"{free // 2**20} MiB are free at {where}"
    if free < LEAST_FREE:
        return fail("disk", found, "free space now: without any, pushes are refused and nothing is sent")
    if free < max(LITTLE_FREE, 2 * needed):
        return warn("disk", found, f"free space: a backup or an upgrade takes {needed // 2**20 + 1} MiB more")
    return ok("disk", found)


def clock(now: float, newest_at: float | None, reach: Reach | None) -> Finding:
    """Against what was written down before, and against iLink's clock where it told it."""
    set_it = "set the clock, and keep it right by NTP (timedatectl set-ntp true)"
    if now < LEAST_YEAR_AT:
        return fail("clock", "the machine's clock was never set", set_it)
    if newest_at is not None and newest_at > now + SKEW_WARN_S:
        found = f"the newest entry of the database is {newest_at - now:.0f} s in the future: the clock was set back"
        return (fail if newest_at > now + SKEW_FAIL_S else warn)("clock", found, set_it)
    if reach is None or reach.server_at is None:
        return ok("clock", "not before anything that was written down; iLink's clock is not known")
    # the header has whole seconds, and was written somewhere between asking and hearing
    skew = reach.here_at - reach.server_at
    off = max(0.0, abs(skew) - 1.0 - reach.seconds)
    if off >= SKEW_WARN_S:
        found = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} iLink's clock"
        return (fail if off >= SKEW_FAIL_S else warn)("clock", found, set_it)
    return ok("clock", "right, as iLink's clock says")


def ilink(reach: Reach, demo: bool) -> Finding:
    if reach.error:
        advice = "check the network, the name server and the firewall; a proxy in between, and its certificates, too"
        return fail("ilink", f"{reach.url} cannot be reached: {reach.error}", advice)
    found = f"{reach.url} answers (HTTP {reach.status}) in {reach.seconds * 1000:.0f} ms"
    if reach.status >= 500 or reach.status == 407:
        return warn("ilink", found, "it is ill, or a proxy in between is: what waits goes when it is well again")
    if reach.url.startswith("http:") and not demo:
        return warn("ilink", found, "bot tokens travel readable: write https in ilink.base_url")
    if reach.seconds > SLOW_S:
        return warn("ilink", found, "slow: each message takes so long; look at the network and the proxy")
    return ok("ilink", found)


def proxies(found: Mapping[str, str], in_use: str) -> Finding:
    """`found`: the environment's proxies by scheme; `in_use`: the one that iLink is called through, or empty. Addresses
    come without user and password."""
    if in_use and in_use.partition("://")[0] not in ("http", "https", "socks5", "socks5h"):
        advice = "write http://… or socks5://…, or leave iLink's host out by NO_PROXY"
        return fail("proxies", f"iLink would be called through {in_use}, a kind that is not known", advice)
    if in_use:
        return ok("proxies", f"iLink is called through {in_use}, as the environment of this command says")
    if any(scheme != "no" for scheme in found):
        return ok("proxies", "the environment names some, and iLink is called without one")
    return ok("proxies", "none")


def address(host: str, base_url: str, named: str) -> Finding:
    """HOST against the public address; `named` is its host, `base_url` empty where it was left to its default."""
    outside = not is_loopback(host)
    path = base_url.partition("://")[2].partition("/")[2].strip("/")
    if path:
        advice = f"the routes begin at the root: the reverse proxy has to take /{path} off, or leave the path out"
        return warn("address", f"BASE_URL {base_url} has a path", advice)
    if outside and is_loopback(named):
        shown = base_url or "its default, this machine"
        advice = "set BASE_URL to the address that others use: it stands in links and lines to copy"
        return warn("address", f"HOST {host} lets others in, BASE_URL is {shown}", advice)
    if not is_loopback(named) and base_url.startswith("http:"):
        advice = "SendKeys travel readable: put a reverse proxy with HTTPS in front, and write https in BASE_URL"
        return warn("address", f"BASE_URL is {base_url}", advice)
    if not outside and not base_url:
        return ok("address", "only this machine reaches it")
    return ok("address", f"HOST {host}, BASE_URL {base_url}")


def forwarded(host: str, named: str, trusted: Sequence[str], daemon: DaemonFacts | None) -> Finding:
    """Whether the reverse proxy, if there is one, is believed."""
    name = "reverse proxy"
    advice = "write its address in TRUSTED_PROXIES, or all who come through it count as one address"
    seen = daemon.untrusted_proxies if daemon is not None else ()
    near = [peer for peer in seen if is_near(peer)]
    if near:
        return warn(name, f"{', '.join(near)} speaks for others and is not believed", advice)
    if is_loopback(host) and not is_loopback(named) and not trusted:
        return warn(name, "others come through one, and none is trusted", advice)
    if seen:
        return ok(name, f"{', '.join(seen)} spoke for others and was not believed; if it is your proxy, {advice}")
    return ok(name, f"trusted: {', '.join(trusted)}" if trusted else "none is trusted, none was seen")


def open_files(limit: int, channels: int) -> Finding:
    """`limit` of the daemon: it raises its own to the hard one."""
    needed = PER_CHANNEL * channels + BESIDE
    found = f"{limit} may be open; {channels} channels take up to {needed}"
    advice = f"raise the limit: LimitNOFILE={max(65536, 2 * needed)} in the unit, or ulimit -Hn"
    if limit < channels + BESIDE // 4:
        return fail("open files", found, advice)
    return warn("open files", found, advice) if limit < needed else ok("open files", found)


def daemon(facts: DaemonFacts, version: str) -> Finding:
    found = (
        f"process {facts.process}, version {facts.version}; {facts.channels} channels, {facts.red} red, "
        f"{facts.yellow} yellow"
    )
    if facts.cannot_write is not None:
        return fail("daemon", f"{found}; it cannot write: {facts.cannot_write}", "free disk space; see `disk`")
    if facts.not_running:
        advice = "look at its log; start it again if that does not pass"
        return fail("daemon", f"{found}; does not run: {', '.join(facts.not_running)}", advice)
    to_do = []
    if facts.version != version:
        found = f"{found}; installed is {version}"
        to_do.append("restart it, to run what is installed")
    if facts.hosts_down:
        found = f"{found}; does not answer it: {', '.join(facts.hosts_down)}"
        to_do.append("see `ilink`; where that is ok, it goes on by itself")
    if facts.red:
        to_do.append("see `bottalk status`: it says what to do for each channel")
    return warn("daemon", found, "; ".join(to_do)) if to_do else ok("daemon", found)


def backups(
    newest_at: float | None, every_hours: float, now: float, has_database: bool, uptime_s: float | None
) -> Finding:
    """`every_hours`: how often the daemon makes one, 0 for never; `uptime_s` is None when none runs."""
    if newest_at is None:
        if not has_database:
            return ok("backups", "none yet, and nothing to back up")
        if every_hours and uptime_s is not None and uptime_s < FIRST_BACKUP_WITHIN_S:
            return ok("backups", "none yet; the daemon makes the first one some minutes after its start")
        return warn("backups", "there is none", "make one: bottalk backup; `backup_every` has the daemon make them")
    hours = max(0.0, now - newest_at) / 3600
    found = f"the newest is {hours:.0f} hours old"
    if hours > 2 * (every_hours or 168.0):
        return warn(
            "backups", found, "make one: bottalk backup; if the daemon should have, its log says why it did not"
        )
    return ok("backups", found)


def is_near(peer: str) -> bool:
    """An address of this machine or of a private network, where one's own proxies stand."""
    try:
        return ip_address(peer).is_private
    except ValueError:
        return False
