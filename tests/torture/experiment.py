"""One experiment: what its plan says is done to an archive with a private server; in the end the oracle is asked.

After each act that leaves no damage the oracle must hold for what is unfinished. In the end the faults are cleared,
passes are run until one has nothing to fetch, and storage must equal the provider, at rest.
"""

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.system.mortal import Death, kill_server, start_mortal
from tests.system.oracle import consult, rests
from tests.system.stage import Answer, Stage, ended, staged
from tests.system.warm import Process
from tests.torture.plan import Act, Plan

EMBEDDED: Final = "embedded:./var/catalog"
MOST_PASSES: Final = 8
LEASE_S: Final = 2
WITHIN_S: Final = 240
_SETTINGS: Final = f"""
[transfer]
lease = "{LEASE_S}s"
backoff = "5ms"
idle_timeout = "1s"

[log]
format = "json"
"""
DAMAGES: Final = ("flip", "cut", "grow", "remove")
_OWN_MISTAKES: Final = ("Traceback", "internal error: ")
_CODES: Final = frozenset({0, 1, 2, 3, 130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT})


async def run_experiment(plan: Plan, folder: Path, cluster: Path, steps: Mapping[str, int]) -> None:
    """Run an experiment in ``folder``; ``steps`` is how many durable steps a backfill makes for each recording.

    Raises: AssertionError when a promise is broken.
    """
    await copy_folder(cluster, folder / "var" / "catalog")
    async with staged(folder, EMBEDDED, *plan.options) as stage:
        text = re.sub(r"^rate_limit = .*$", f'rate_limit = "{plan.rate_limit}"', stage.config.read_text(), flags=re.M)
        stage.config.write_text(text + _SETTINGS)
        stage.within_s = WITHIN_S
        experiment = Experiment(stage=stage, plan=plan, steps=steps)
        try:
            for act in plan.acts:
                await experiment.do(act)
            await experiment.finish()
        finally:
            kill_server(stage)


async def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with its owners."""
    target.parent.mkdir(parents=True, exist_ok=True)
    copying = await asyncio.create_subprocess_exec("cp", "-a", str(source), str(target))
    assert await copying.wait() == 0


@dataclass(kw_only=True)
class Experiment:
    """An experiment that runs. ``damaged`` are the keys of files that were damaged and not healed since."""

    stage: Stage
    plan: Plan
    steps: Mapping[str, int]
    damaged: set[str] = field(default_factory=set)

    async def do(self, act: Act) -> None:
        """Do one act and look at what it left."""
        self._note(f"== {act}")
        acts: dict[str, Callable[..., Awaitable[None]]] = {
            "die": self._die,
            "verify": self._die_in_verify,
            "damage": self._damage,
            "provider": self._change_provider,
            "faults": self._misbehave,
            "freeze": self._freeze,
            "pair": self._pair,
        }
        if act.name in acts:
            await acts[act.name](*act.words)
        else:
            await self._strike(act.name, float(act.words[0]))
        if not self.damaged:
            await consult(self.stage, is_done=False)

    async def finish(self) -> None:
        """Let the provider behave, heal what was damaged, fetch what is left, and ask the oracle."""
        self._note("== finish")
        await self.stage.control(clear_faults=True)
        if self.damaged:
            await asyncio.sleep(LEASE_S)  # what a killed command holds is not read back
            await self._run("verify", "--all")
        for _ in range(MOST_PASSES):
            before = await self._fetched(), await self._present()
            last = await self._run("backfill", "--json")
            if (await self._fetched(), await self._present()) == before:  # late rows arrive while they are listed
                break
        else:
            raise AssertionError(f"after {MOST_PASSES} passes there is still something to fetch (O6)")
        rows = await consult(self.stage)
        total = last.json["total"]
        assert sum(total["states"].values()) == len(rows), "the states do not sum up to the rows (T5)"
        assert total["known"] >= 0, "less was listed than was new (T5)"
        self._judge(await rests(self.stage))

    async def _die(self, kind: str, share: str, moment: str) -> None:
        recordings = len(self.plan.providers) * self.plan.recordings
        number = 1 + int(float(share) * self.steps[kind] * recordings / 10)
        await self._end(await start_mortal(self.stage, Death(kind, number, moment), "backfill"))

    async def _die_in_verify(self, number: str, moment: str) -> None:
        await self._end(await start_mortal(self.stage, Death("commit", int(number), moment), "verify", "--all"))
        if self.damaged:
            await self._run("verify", "--all")

    async def _strike(self, name: str, after_s: float) -> None:
        """Strike a running backfill: the process, its server, or both."""
        process = await self.stage.start("backfill")
        await asyncio.sleep(after_s)
        if name in {"server", "both"}:
            kill_server(self.stage)
        numbers = {
            "kill": (signal.SIGKILL,),
            "both": (signal.SIGKILL,),
            "terminate": (signal.SIGTERM,),
            "interrupt": (signal.SIGINT,),
            "twice": (signal.SIGTERM, signal.SIGTERM),
        }
        for number in numbers.get(name, ()):
            _send(process, number)
            await asyncio.sleep(0.05)
        await self._end(process)

    async def _freeze(self, after_s: str) -> None:
        """Stop a backfill until its leases are over and another one did its work, then let it go on."""
        process = await self.stage.start("backfill")
        await asyncio.sleep(float(after_s))
        _send(process, signal.SIGSTOP)
        try:
            await self._run("backfill")
        finally:
            _send(process, signal.SIGCONT)
        await self._end(process)

    async def _pair(self, after_s: str) -> None:
        """Two backfills at once, of which one is killed."""
        processes = [await self.stage.start("backfill") for _ in range(2)]
        await asyncio.sleep(float(after_s))
        _send(processes[0], signal.SIGKILL)
        for process in processes:
            await self._end(process)

    async def _damage(self, count: str, seed: str) -> None:
        """Damage or remove files whose recordings are still at the provider, then have them named."""
        random = Random(seed)
        keys = await self._whole_keys()
        for key in random.sample(keys, min(int(count), len(keys))):
            kind = random.choice(DAMAGES)
            self._note(f"{kind} {key}")
            self.damaged.add(key)
            path = self.stage.storage / key
            if kind == "remove":
                path.unlink()
            else:
                path.write_bytes(damaged(kind, path.read_bytes(), random))
        await self._run("verify", "--all")

    async def _whole_keys(self) -> list[str]:
        rows = (await self.stage.run("ls", "--state", "verified", "--json", "--all")).lines
        there = await self._present()
        return sorted(row["key"] for row in rows if (row["provider"], row["recording_id"]) in there)

    async def _change_provider(self, verb: str, count: str, seed: str) -> None:
        """Recordings are added, or one vanishes whose copy was not damaged by us."""
        if verb == "add":
            await self.stage.control(add=int(count))
        else:
            rows = (await self.stage.run("ls", "--json", "--all")).lines
            spared = {row["recording_id"] for row in rows if row["key"] in self.damaged}
            names = sorted(name for _, name in await self._present() if name not in spared)
            await self.stage.control(delete=Random(seed).sample(names, min(1, len(names))))
        await self._run("backfill")

    async def _misbehave(self, *faults: str) -> None:
        await self.stage.control(faults=list(faults))
        await self._run("backfill")

    async def _present(self) -> set[tuple[str, str]]:
        ledgers = await self.stage.ledgers()
        parts = ((provider, ledger["recordings"].items()) for provider, ledger in ledgers.items())
        return {(provider, name) for provider, entries in parts for name, entry in entries if entry["present"]}

    async def _fetched(self) -> int:
        """How often media was asked for that can be had."""
        entries = [entry for ledger in (await self.stage.ledgers()).values() for entry in ledger["recordings"].values()]
        return sum(entry["media_requests"] for entry in entries if entry["present"] and entry["retrievable"])

    async def _run(self, *words: str) -> Answer:
        return await self._end(await self.stage.start(*words))

    async def _end(self, process: Process) -> Answer:
        answer = await ended(process, self.stage.within_s)
        self._judge(answer)
        return answer

    def _judge(self, answer: Answer) -> None:
        self._note(f"exit code {answer.code}\n{answer.stderr}")
        said = answer.stdout + answer.stderr
        for mistake in _OWN_MISTAKES:
            assert mistake not in said, f"{mistake}: a command broke: see {self._log}"
        assert answer.code in _CODES, f"exit code {answer.code}"

    @property
    def _log(self) -> Path:
        return self.stage.folder / "torture.log"

    def _note(self, text: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{text}\n")


def damaged(kind: str, body: bytes, random: Random) -> bytes:
    """What is left of a file after a damage of this kind."""
    place = random.randrange(len(body))
    if kind == "cut":
        return body[:place]
    if kind == "grow":
        return body + body[place:]
    return body[:place] + bytes([body[place] ^ 1 << random.randrange(8)]) + body[place + 1 :]


def _send(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
