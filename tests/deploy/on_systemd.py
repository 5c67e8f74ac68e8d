"""``make test-systemd``: install into a booted Debian as the runbook says, and break the service. Root, some minutes.

The provider is the bundled sandbox, inside the machine, which has a network of its own.
ARCHIVER_DEPLOY_FOLDER names where trees and wheels are kept; build/deploy unless set.
"""

import json
import re
import shutil
from typing import Any, Final

from tests.deploy.machine import Machine, booted
from tests.deploy.trees import FOLDER, ROOT, require, say, wheels

CONFIG: Final = "/etc/archiver/config.toml"
ACCOUNT: Final = "sandbox-vobiz"
MOST_EXPOSED: Final = 2.0

ADDED: Final = 4
"""So many recordings come later, for each provider, and slowly."""

SANDBOX: Final = """
[Service]
DynamicUser=yes
RuntimeDirectory=sandbox
ExecStart=/opt/archiver/bin/archiver sandbox --provider vobiz --provider kazoo --recordings 40 --late-arrivals 0 \
--kazoo-straddlers 0 --kazoo-late-media 0 --write-config /run/sandbox/config.toml
"""

SETTINGS: Final = """
[schedule]
walk = "every 5s"
jitter = "0s"
"""

IMPATIENT: Final = "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=2s\nRestartSec=1s\n"
"""A minute of patience is too long for a test. A stopped process does not even take SIGABRT."""


def install(machine: Machine) -> None:
    """Paste the runbook's installation, with wheels instead of an index."""
    say("install: as the runbook says")
    clone = machine.tree / "root" / "clone"
    clone.mkdir()
    for name in ("archiver", "deploy", "migrations"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "config.example.toml"):
        shutil.copy(ROOT / name, clone / name)
    shutil.copytree(wheels(), machine.tree / "wheels")
    paste(machine, "install")
    paste(machine, "configure")


def paste(machine: Machine, name: str) -> None:
    """Run a block of the runbook in the clone. What apt would install is there, and our account has another name."""
    steps = runbook_steps(name).replace("apt-get install", "true apt-get install").replace("acme-india", ACCOUNT)
    machine.sh(f"cd /root/clone\n{steps}")


def runbook_steps(name: str) -> str:
    """The block of the runbook that is marked as run by this test under this name."""
    text = (ROOT / "deploy" / "README.md").read_text("utf-8")
    found = re.search(rf"<!-- run by make test-systemd: {name} -->\n```sh\n(.*?)```", text, flags=re.DOTALL)
    assert found, name
    return found[1]


def configure(machine: Machine) -> set[str]:
    """Start a sandbox and archive it, its secrets handed over as credentials; answers the secrets."""
    (machine.tree / "etc/systemd/system/sandbox.service").write_text(SANDBOX)
    machine.sh("systemctl daemon-reload; systemctl start sandbox")
    made = "/run/sandbox/config.toml"
    machine.until(lambda: "kazoo" in machine.sh(f"cat {made} 2>/dev/null || true"), "the sandbox's configuration")
    text, secrets = machine.sh(f"cat {made}"), set()
    for key, secret in re.findall(r'^(auth_token|api_key) = "(\w+)"', text, flags=re.MULTILINE):
        (machine.tree / "etc/archiver/secrets" / key).write_text(secret)
        text = text.replace(f'"{secret}"', f'{{ credential = "secret_{key}" }}')
        secrets.add(secret)
    text = text.replace('"embedded:./var', '"embedded:/var/lib/archiver').replace(
        "file:./var", "file:/var/lib/archiver"
    )
    write_config(machine, text + SETTINGS)
    return secrets


def write_config(machine: Machine, text: str) -> None:
    """The configuration, as a file that the service may read."""
    (machine.tree / CONFIG.removeprefix("/")).write_text(text)
    machine.sh("systemd-tmpfiles --create archiver.conf")


def read_config(machine: Machine) -> str:
    """The configuration as it is."""
    return (machine.tree / CONFIG.removeprefix("/")).read_text()


def check_units(machine: Machine) -> None:
    """The units are sound, and what they expose is little."""
    machine.sh("systemd-analyze verify archiver.service archiver-backfill@x.service archiver-backfill@x.timer")
    for unit in ("archiver.service", "archiver-backfill@x.service"):
        last = machine.sh(f"systemd-analyze security --no-pager {unit}").strip().splitlines()[-1]
        exposure = float(re.findall(r"\d+\.\d+", last)[-1])
        say(f"exposure: {unit} {exposure}")
        assert exposure <= MOST_EXPOSED


def check_start(machine: Machine, secrets: set[str]) -> None:
    """Started when ready; unprivileged; secrets come as credentials and stand nowhere else."""
    paste(machine, "start")
    assert machine.show("archiver", "ActiveState") == "active"
    assert "daemon_ready" in machine.journal("archiver")
    process = machine.show("archiver", "MainPID")
    facts = machine.sh(f"grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/{process}/status")
    assert re.search(r"CapBnd:\s+0+\n", facts), facts
    assert machine.sh(f"stat -c %U /proc/{process}").strip() == "archiver"
    shown = machine.sh(f"tr '\\0' '\\n' </proc/{process}/environ; tr '\\0' ' ' </proc/{process}/cmdline")
    shown += machine.journal("archiver") + read_config(machine)
    assert not [secret for secret in secrets if secret in shown]
    took = machine.until(lambda: states(machine) == {"verified": 80}, "all is archived")
    say(f"start: ready as {machine.show('archiver', 'StatusText')!r}, all 80 verified {took:.0f} s later")


def states(machine: Machine) -> dict[str, int]:
    """How many recordings are in which state, as the operator's command says."""
    document: dict[str, Any] = json.loads(machine.sh("archiver status --json"))
    counts: dict[str, int] = {}
    for account in document["accounts"].values():
        for state, count in account["states"].items():
            counts[state] = counts.get(state, 0) + count
    return {state: count for state, count in counts.items() if count}


def check_reload(machine: Machine) -> None:
    """A reload takes up what changed; a wrong configuration is refused, and the old one stays."""
    process, good, former = machine.show("archiver", "MainPID"), read_config(machine), machine.journal("archiver")
    write_config(machine, good.replace("every 5s", "every 4s"))
    machine.sh("systemctl reload archiver")
    machine.until(lambda: '"reloaded"' in machine.journal("archiver", former), "reloaded")
    write_config(machine, good.replace("walk =", "wlak ="))
    machine.sh("systemctl reload archiver")
    machine.until(lambda: "reload_refused" in machine.journal("archiver", former), "a refused reload")
    write_config(machine, good)
    machine.sh("systemctl reload archiver")
    assert machine.show("archiver", "MainPID") == process
    say("reload: taken, refused when wrong, same process")


def check_restarts(machine: Machine) -> None:
    """kill -9 restarts it; so does the watchdog when the loop is blocked; nothing is lost or doubled."""
    for what, signal in (("kill -9", "KILL"), ("watchdog", "STOP")):
        before, restarts = machine.show("archiver", "MainPID"), int(machine.show("archiver", "NRestarts"))
        former = machine.journal("archiver")
        machine.sh(f"kill -{signal} {before}")
        took = machine.until(lambda: _is_restarted(machine, before, restarts), f"restarted after {what}")  # noqa: B023
        wrote = machine.journal("archiver", former)
        assert ("Watchdog timeout" in wrote) == (what == "watchdog"), wrote
        machine.until(lambda: states(machine) == {"verified": 80}, "all is there")
        say(f"{what}: active again after {took:.0f} s, all 80 verified")
        if what == "kill -9":
            _be_impatient(machine)
    _be_patient(machine)


def _is_restarted(machine: Machine, before: str, restarts: int) -> bool:
    is_active = machine.show("archiver", "ActiveState") == "active"
    is_other = machine.show("archiver", "MainPID") != before
    return is_active and is_other and int(machine.show("archiver", "NRestarts")) > restarts


def _be_impatient(machine: Machine) -> None:
    folder = machine.tree / "etc/systemd/system/archiver.service.d"
    folder.mkdir()
    (folder / "test.conf").write_text(IMPATIENT)
    machine.sh("systemctl daemon-reload; systemctl restart archiver")


def _be_patient(machine: Machine) -> None:
    (machine.tree / "etc/systemd/system/archiver.service.d/test.conf").unlink()
    paste(machine, "drop-in")
    assert "/srv/recordings" in machine.show("archiver", "ReadWritePaths")


def check_stop(machine: Machine) -> None:
    """A stop finishes the downloads that run, and leaves no process behind."""
    ready = next(json.loads(line) for line in machine.journal("sandbox").splitlines() if line.startswith("{"))
    verbs = json.dumps({"add": ADDED, "faults": ["slow:share=1,times=0,bytes_per_s=15000,provider=vobiz"]})
    ask = f"import urllib.request as u; u.urlopen(u.Request({ready['control']!r}, {verbs.encode()!r}, method='POST'))"
    machine.sh(f'python3 - <<"END"\n{ask}\nEND')
    machine.until(lambda: states(machine).get("pending", 0) > 0, "downloads run")
    former = machine.journal("archiver")
    machine.sh("systemctl stop archiver")
    wrote = machine.journal("archiver", former)
    events = [json.loads(line) for line in wrote.splitlines() if line.startswith("{")]
    draining = next((event for event in events if event["event"] == "daemon_draining"), None)
    assert draining is not None, wrote
    finished = sum(event["event"] == "recording_verified" for event in events)
    assert draining["in_flight"] > 0, events
    assert finished >= draining["in_flight"], events
    assert events[-1]["event"] == "daemon_ended"
    assert machine.show("archiver", "Result") == "success"
    assert machine.sh("find /proc -maxdepth 1 -user archiver").strip() == ""
    say(f"stop: {draining['in_flight']} downloads in flight, {finished} finished, exit 0, no process left")


def check_backfill(machine: Machine) -> None:
    """A pass for one account; its options from a file; its timer."""
    paste(machine, "one-shots")
    for name in (ACCOUNT, "lately"):
        assert machine.show(f"archiver-backfill@{name}", "Result") == "success"
    assert "2 accounts" in machine.journal("archiver-backfill@lately")
    assert "archiver-backfill" in machine.sh("systemctl list-timers --no-pager")
    machine.sh(f"systemctl disable --now archiver-backfill@{ACCOUNT}.timer")
    say("backfill: one account, options from a file, timer")


def check_waiting(machine: Machine) -> None:
    """Without a catalog it is not ready but waits, says so, and can be stopped meanwhile (T3)."""
    good = read_config(machine)
    write_config(machine, re.sub(r'^dsn = "[^"]+"', 'dsn = "postgresql://a@127.0.0.1:9/a"', good, flags=re.MULTILINE))
    machine.sh("systemctl start --no-block archiver")
    machine.until(lambda: "waiting" in machine.show("archiver", "StatusText"), "it says that it waits")
    assert machine.show("archiver", "ActiveState") == "activating"
    machine.sh("systemctl stop archiver")
    write_config(machine, good)
    say("catalog away: activating, not active; stopped at once")


def check_refusal(machine: Machine) -> None:
    """A missing secret ends it with 2, and no restart is tried."""
    secret = machine.tree / "etc/archiver/secrets/api_key"
    kept = secret.read_text()
    secret.unlink()
    machine.sh("systemctl start archiver || true")
    assert machine.show("archiver", "ExecMainStatus") == "2"
    assert machine.show("archiver", "ActiveState") == "failed"
    secret.write_text(kept)
    machine.sh("systemctl start archiver; systemctl stop archiver")
    say("missing secret: exit 2, failed, not restarted; started once it was there")


def check_upkeep(machine: Machine) -> None:
    """The runbook's back-up, restore, upgrade and roll-back of a running service lose and double nothing."""
    machine.sh("systemctl start archiver")
    machine.until(lambda: states(machine) == {"verified": 80 + 2 * ADDED}, "all is archived")
    for name in ("back-up", "restore", "keep", "install", "upgrade", "roll back"):
        machine.sh("systemctl reset-failed archiver")  # no operator starts it as often as this test
        paste(machine, name)
        machine.until(lambda: states(machine) == {"verified": 80 + 2 * ADDED}, f"all is there after {name}")
    assert machine.show("archiver", "ActiveState") == "active"
    assert machine.sh("archiver verify --all --json").startswith(
        f'{{"checked": {80 + 2 * ADDED}, "ok": {80 + 2 * ADDED}'
    )
    say("upkeep: backed up, restored, upgraded and rolled back; all is there, and verified")


def main() -> int:
    """Boot, install, check; the exit code says whether all held."""
    require("debootstrap", "systemd-nspawn", "nsenter")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with booted() as machine:
        say(f"machine: {machine.sh('systemctl --version | head -1').strip()}, {machine.sh('uname -r').strip()}")
        install(machine)
        check_units(machine)
        secrets = configure(machine)
        check_start(machine, secrets)
        check_reload(machine)
        check_restarts(machine)
        check_stop(machine)
        check_backfill(machine)
        check_waiting(machine)
        check_refusal(machine)
        check_upkeep(machine)
    say("the service holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
