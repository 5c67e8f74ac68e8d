"""``archiver run``, as a service manager, a monitor and a second host meet it."""

import asyncio
import hashlib
import hmac
import os
import signal
from pathlib import Path

import pytest

from archiver.catalog.pool import open_connection
from tests.system.oracle import consult, rests
from tests.system.service import SETTINGS, Service, receiver, service
from tests.system.stage import ACCOUNT, WITHIN_S, Stage, staged

_FORMER = """
INSERT INTO walks (account_id, listing, kind, lease, ended_at)
SELECT id, 'former', 'full', '1 minute', now() - interval '9 days' FROM accounts
"""
_LONG_AGO = "UPDATE scheduled_runs SET fire_at = fire_at - interval '2 years' WHERE kind = 'full_walk'"
SHORT = ("--audio-seconds", "1", "--late-arrivals", "0")


async def test_it_archives_what_comes_and_drains(stage: Stage) -> None:
    """T2, O5: what is there is archived at once, what comes later with the next walk; SIGTERM ends it with 0, and
    leaves an archive that a one-shot finds at rest."""
    async with service(stage) as one:
        await one.until_said("recording_verified", 40)
        await stage.control(add=5)
        await one.until_said("recording_verified", 45)
        await one.until_ready(lambda status, _: status == 200)
        assert await one.stop(signal.SIGTERM) == 0
    assert [one.said(name) != [] for name in ("daemon_draining", "daemon_ended")] == [True, True]
    assert len(await consult(stage)) == 45
    await rests(stage)


async def test_a_second_signal_aborts(tmp_path: Path, catalog_dsn: str) -> None:
    """T2: the first SIGTERM waits for downloads, the second does not, and the exit code tells."""
    options = ("--recordings", "10", *SHORT, "--fault", "slow:bytes_per_s=1000,share=1,times=0")
    async with staged(tmp_path, catalog_dsn, *options) as stage, service(stage) as one:
        await stage.until_served(1)
        one.process.send_signal(signal.SIGTERM)
        await one.until_said("daemon_draining")
        status, reasons = await one.ready()
        assert (status, reasons[0]["code"]) == (503, "draining")
        assert await one.stop(signal.SIGTERM) == 1
        await stage.control(clear_faults=True)
        assert (await stage.run("backfill")).code == 0
        await consult(stage)


async def test_a_revoked_token_is_told_once(stage: Stage) -> None:
    """T4: with the token revoked the process is alive, not ready, and says which account and why; operators are told
    once, also of the recovery, signed; the heart beats only while all is well."""
    async with receiver() as hooks:
        stage.amend(
            f'[notify]\nwebhook = "http://127.0.0.1:{hooks.port}/hook?token=canary"\nsecret = "key"\n'
            f'heartbeat = "http://127.0.0.1:{hooks.port}/beat"\n'
        )
        async with service(stage) as one:
            await one.until_ready(lambda status, _: status == 200)
            hooks.refusals = 1
            await stage.control(faults=["unauthorized:on=list+media,share=1,times=0"])
            reasons = await one.until_ready(lambda status, _: status == 503)
            assert {(reason["account"], reason["code"]) for reason in reasons} == {(ACCOUNT, "account_failing")}
            assert (await one.get("/healthz"))[0] == 200
            await hooks.until_told("account_failing", 1)
            beats = hooks.beats
            await one.until_said("account_failed", len(one.said("account_failed")) + 2)
            assert hooks.beats == beats > 0
            await stage.control(clear_faults=True)
            await one.until_ready(lambda status, _: status == 200)
            await hooks.until_told("account_failing", 2)
            assert hooks.told("account_failing") == ["begun", "over"]
            assert "canary" not in str(one.events)
    stamp, body = hooks.headers[0]["X-Archiver-Timestamp"], hooks.bodies[0]
    expected = hmac.new(b"key", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert hooks.headers[0]["X-Archiver-Signature"] == f"sha256={expected}"


async def test_many_hosts_share_the_work(tmp_path: Path, catalog_dsn: str) -> None:
    """R5, T1, P2: three daemons and a backfill on one catalog fetch each recording once; one is killed and one stopped
    past its leases, and what was in flight there is all that is fetched again."""
    count, concurrency = 2000 if "ARCHIVER_SLOW" in os.environ else 400, 8
    options = ("--recordings", str(count), *SHORT, "--fault", "delay:on=media,seconds=0.1,share=1,times=0")
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        async with service(stage) as killed, service(stage) as stopped, service(stage) as heir:
            backfill = await stage.start("backfill")
            await stage.until_served(count // 4)
            killed.process.kill()
            stopped.process.send_signal(signal.SIGSTOP)
            await stage.until_served(count)
            await asyncio.wait_for(backfill.communicate(), 60)
            stopped.process.send_signal(signal.SIGCONT)
            await stopped.until_said("walk_ended", len(stopped.said("walk_ended")) + 1)
            assert [await one.stop(signal.SIGTERM) for one in (stopped, heir)] == [0, 0]
        assert await stage.media_requests() <= count + 2 * concurrency
        assert (await stage.run("backfill")).code == 0
        assert len(await consult(stage)) == count


async def test_a_reload_takes_up_what_is_sound(stage: Stage) -> None:
    """SIGHUP takes up changed accounts without an end of the others; a configuration that is wrong changes nothing,
    and is told."""
    async with service(stage) as one:
        await one.until_said("recording_verified", 40)
        sound = stage.config.read_text()
        stage.config.write_text(sound + "\n[storag]\n")
        one.process.send_signal(signal.SIGHUP)
        assert "storag" in (await one.until_said("reload_refused"))["error"]
        assert "reload refused" in (await one.get("/"))[1]
        stage.config.write_text(sound)
        stage.amend(enabled="false")
        one.process.send_signal(signal.SIGHUP)
        assert (await one.until_said("reloaded"))["accounts"] == 0
        stage.config.write_text(sound)
        one.process.send_signal(signal.SIGHUP)
        assert (await one.until_said("reloaded", 2))["accounts"] == 1
        await stage.control(add=3)
        await one.until_said("recording_verified", 43)
        assert await one.stop(signal.SIGTERM) == 0


async def test_a_listing_that_is_asked_for_no_more_alarms_nobody(stage: Stage, catalog_dsn: str) -> None:
    """T4: a listing that was walked once and left the configuration is shown, and does not keep the archive from being
    ready for ever."""
    async with service(stage) as one:
        await one.until_ready(lambda status, _: status == 200)
        async with open_connection(catalog_dsn) as connection:
            await connection.execute(_FORMER)
        async with asyncio.timeout(WITHIN_S):
            while "walked no more" not in (await one.get("/"))[1]:
                await asyncio.sleep(0.1)
        assert (await one.ready()) == (200, [])


async def test_a_catalog_that_is_away_is_waited_for(stage: Stage) -> None:
    """R4, T3: without a catalog the process lives, answers that it is not ready, and begins by itself."""
    sound = stage.config.read_text()
    dsn = next(line for line in sound.splitlines() if line.startswith("dsn"))
    stage.config.write_text(sound.replace(dsn, 'dsn = "postgresql://nobody@127.0.0.1:9/none"'))
    stage.amend('[ops]\nlisten = "127.0.0.1:0"\n')
    process = await stage.start("run")
    assert process.stderr is not None
    async with asyncio.timeout(30):
        assert b"daemon_waits" in await process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, said


async def test_what_was_due_while_nobody_was_there_is_made_up_for(stage: Stage, catalog_dsn: str) -> None:
    """T1, D3: a full walk whose time passed while no daemon ran is done by the next one, once; while the provider is
    away it is owed."""
    async with service(stage) as one:
        await one.until_said("walk_ended")
        await one.stop(signal.SIGTERM)
    stage.config.write_text(stage.config.read_text().replace("every 5s", "0 0 1 1 *"))
    async with open_connection(catalog_dsn) as connection:
        await connection.execute(_LONG_AGO)
    await stage.control(faults=["unauthorized:on=list,share=1,times=0"])
    async with service(stage) as one:
        await one.until_said("account_failed", 3)
        assert set(_full_walks(one)) == {False}
        await stage.control(clear_faults=True)
        async with asyncio.timeout(WITHIN_S):
            while True not in _full_walks(one):
                await one.until_said("walk_ended", len(one.said("walk_ended")) + 1)
        await one.stop(signal.SIGTERM)
    async with service(stage) as one:
        await one.until_said("walk_ended", 3)
        await one.stop(signal.SIGTERM)
        assert _full_walks(one) == []


def _full_walks(one: Service) -> list[bool]:
    """Whether its full walks were complete."""
    return [walk["complete"] for walk in one.said("walk_ended") if walk["kind"] == "full"]


async def test_a_suspect_is_one_though_walks_are_frequent(tmp_path: Path, catalog_dsn: str) -> None:
    """B3, O6: attempts that take longer than the time between two walks come to an end all the same: five of them, one
    look by a later pass, then rest."""
    options = ("--recordings", "3", *SHORT, "--fault", "wav44:share=1,times=0")
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        stage.amend(SETTINGS.replace('backoff = "50ms"', 'backoff = "250ms"'))
        async with service(stage) as one:
            await one.until_said("suspect_confirmed", 3)
            await one.until_said("walk_ended", len(one.said("walk_ended")) + 2)
            await one.stop(signal.SIGTERM)
        assert len(one.said("recording_suspect")) == 3
        assert await stage.media_requests() == 3 * (5 + 1)


async def test_processes_of_a_host_work_and_are_counted_together(stage: Stage) -> None:
    """P2: with two processes one scrape shows both, the states sum up, and both end with the first."""
    async with service(stage) as one:
        await one.stop(signal.SIGTERM)
    text = stage.config.read_text().replace('lease = "3s"', 'lease = "3s"\nprocesses = 2')
    stage.config.write_text(text)
    async with service(stage) as one:
        await one.until_said("worker_ready")
        await stage.control(add=30)
        await one.until_said("recording_verified", 70)
        _, metrics = await one.get("/metrics")
        assert await one.stop(signal.SIGTERM) == 0
        assert [len(one.said(name)) for name in ("daemon_ended", "worker_ended")] == [1, 1]
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert float(values[f'archiver_recordings{{account="{ACCOUNT}",state="verified"}}']) == 70
    assert float(values[f'archiver_downloads_total{{account="{ACCOUNT}",outcome="stored"}}']) == 70


@pytest.mark.parametrize("damage", ["flip", "remove"])
async def test_damage_is_found_on_schedule_and_healed(stage: Stage, damage: str) -> None:
    """R6: what is damaged in storage is found by the scheduled reading, and fetched again by itself."""
    async with service(stage) as one:
        await one.until_said("recording_verified", 40)
        await one.stop(signal.SIGTERM)
    text = stage.config.read_text().replace('jitter = "0s"', 'jitter = "0s"\nfixity_interval = "1s"')
    stage.config.write_text(text)
    victim = next(path for path in sorted(stage.storage.rglob("*.mp3")) if ".archiver" not in path.parts)
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(bytes([victim.read_bytes()[0] ^ 1]) + victim.read_bytes()[1:])
    async with service(stage) as one:
        await one.until_said("copy_not_sound")
        await one.until_said("recording_verified")
        await one.stop(signal.SIGTERM)
    assert len(await consult(stage)) == 40
