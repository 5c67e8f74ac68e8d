"""What an experiment of the torture is: drawn from a seed and a number, so that it can be had again alone."""

from dataclasses import dataclass
from random import Random
from typing import Final

from tests.system.mortal import KINDS, MOMENTS

PROVIDERS: Final = ("vobiz", "vonage_vbc", "kazoo")
RATES: Final = ("1000/s", "60/s", "25/s")
MEDIA_FAULTS: Final = (
    *(f"{name}:typed=true" for name in ("empty", "json", "html", "xml", "text", "image", "zip")),
    *("noise", "wav44", "wav_zero_data", "half", "gzip:labelled=false"),
    *(f"cut:framing={framing}" for framing in ("length", "chunked", "close")),
    *("framed:framing=close", "framed:framing=chunked", "reset", "hang", "slow:bytes_per_s=20000", "delay:seconds=0.5"),
    *(f"status:code={code}" for code in (403, 404, 410, 500, 503)),
    *("unauthorized", "throttled:seconds=1", "throttled:retry_after=absent"),
    *(f"no_answer:how={how}" for how in ("reset", "close", "hang")),
    *(f"redirect:to={to}" for to in ("stranger", "https", "file", "metadata", "self", "endless")),
)
LISTING_FAULTS: Final = (
    *(f"{name}:on=list" for name in ("html", "cut", "reset", "hang", "no_answer", "throttled", "unauthorized")),
    *(f"status:on=list,code={code}" for code in (404, 500, 503)),
    *("loop:", "empty_page:", "wrong_total:by=3", "wrong_total:by=-3", "strange_envelope:", "ignored_offset:"),
    *("vanish:", "arrive:", "late:count=2", "empty_account:", "malformed_row:", "repeated_row:", "hostile_name:"),
    *("wrong_size:", "wrong_duration:", "expired:"),
)
"""What passes by itself: each strikes a recording or a page once or twice, then never again."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is done to the archive; what the words behind ``name`` mean is told where it is done."""

    name: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *self.words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An experiment: what is served, how fast, what the provider does wrong, and what is done one after the other."""

    number: int
    providers: tuple[str, ...]
    recordings: int
    sandbox_seed: int
    late_arrivals: int
    rate_limit: str
    faults: tuple[str, ...]
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        served = f"{'+'.join(self.providers)} {self.recordings} at {self.rate_limit}"
        return "; ".join((served, ", ".join(self.faults) or "no faults", *map(str, self.acts)))

    @property
    def options(self) -> tuple[str, ...]:
        """The options of the sandbox."""
        providers = [word for name in self.providers for word in ("--provider", name)]
        faults = [word for fault in self.faults for word in ("--fault", fault)]
        numbers = {
            "--recordings": self.recordings,
            "--seed": self.sandbox_seed,
            "--late-arrivals": self.late_arrivals,
            "--page-cap": 7,
            "--audio-seconds": 1,
            "--kazoo-straddlers": 1,
        }
        return (*providers, *faults, *(str(word) for pair in numbers.items() for word in pair))


def draw_plan(seed: int, number: int) -> Plan:
    """The experiment of this number; the same seed always gives the same one."""
    random = Random(f"{seed} {number}")
    return Plan(
        number=number,
        providers=tuple(random.sample(PROVIDERS, random.choice((1, 1, 1, 2, 3)))),
        recordings=random.randint(8, 24),
        sandbox_seed=random.randrange(1 << 30),
        late_arrivals=random.choice((0, 0, 3)),
        rate_limit=random.choice(RATES),
        faults=tuple(draw_fault(random) for _ in range(random.choice((0, 1, 2, 4)))),
        acts=tuple(_draw_act(random) for _ in range(random.randint(2, 5))),
    )


def draw_fault(random: Random) -> str:
    """A fault that passes, as the sandbox reads it."""
    name, _, values = random.choice(random.choice((MEDIA_FAULTS, MEDIA_FAULTS, LISTING_FAULTS))).partition(":")
    bounds = f"share={random.choice((0.1, 0.2, 0.4))},times={random.choice((1, 1, 2))}"
    return f"{name}:{','.join(filter(None, (values, bounds)))}"


def _draw_act(random: Random) -> Act:
    seconds = f"{random.uniform(0.3, 3.0):.2f}"
    name = random.choice(("die", "die", "die", "die", *SIMPLE, "damage", "verify", "provider", "faults"))
    words: tuple[str, ...] = (seconds,)
    if name == "die":
        words = (random.choice(KINDS), f"{random.random():.3f}", random.choice(MOMENTS))
    elif name == "verify":
        words = (str(random.randint(1, 8)), random.choice(MOMENTS))
    elif name == "damage":
        words = (str(random.randint(1, 4)), str(random.randrange(1 << 30)))
    elif name == "provider":
        words = (random.choice(("add", "delete")), str(random.randint(1, 3)), str(random.randrange(1 << 30)))
    elif name == "faults":
        words = tuple(draw_fault(random) for _ in range(random.randint(1, 3)))
    return Act(name, words)


SIMPLE: Final = ("kill", "server", "both", "terminate", "interrupt", "twice", "freeze", "pair")
"""Acts upon a running backfill, so many seconds after its start."""
