"""Metrics for Prometheus. What happened is counted where it happens; what is, is asked of the catalog at each scrape.

Several processes of one host count into files of one folder, which the first of them adds up: see ``sharing``.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from archiver.app.daemon.vitals import Vitals
from archiver.app.ops.glance import Glance
from archiver.app.ops.sharing import choose_place, is_shared
from archiver.model.account import AccountName

disable_created_metrics()  # type: ignore[no-untyped-call]  # else a second series for each, which only OpenMetrics has a use for

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "archiver"
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Counts:
    """Counts what happens in this process. The endpoint's names are the contract's."""

    def __init__(self) -> None:
        choose_place()
        self._registry = registry = CollectorRegistry()
        self.listed = Counter("listed", "Recordings listed", ["account"], _PREFIX, registry=registry)
        self.downloads = Counter("downloads", "Downloads", ["account", "outcome"], _PREFIX, registry=registry)
        self.bytes = Counter("download_bytes", "Bytes stored", ["account"], _PREFIX, registry=registry)
        self.seconds = Histogram(
            "download_seconds", "From the claim to the catalog", (), _PREFIX, registry=registry, buckets=_SECONDS
        )
        labels = ["account", "endpoint", "status"]
        self.requests = Counter("requests", "Requests to providers", labels, _PREFIX, registry=registry)
        self.throttled = Counter(
            "throttled_seconds", "Silence asked for by providers", ["account"], _PREFIX, registry=registry
        )
        self.verified = Counter("verify", "Copies read back", ["outcome"], _PREFIX, registry=registry)
        self.deletes = Counter(
            "remote_deletes", "Remote copies deleted", ["account", "outcome"], _PREFIX, registry=registry
        )

    def of(self, account: AccountName) -> "AccountMeter":
        """The counts of one account, each of which is there from now on."""
        return AccountMeter(self, account)

    def render(self, glance: Glance | None, vitals: Vitals) -> bytes:
        """Everything as Prometheus reads it; without a glance at the catalog, what was counted."""
        registry = CollectorRegistry()
        registry.register(_Stock(glance, vitals))
        if is_shared():
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
            return generate_latest(registry)
        return generate_latest(self._registry) + generate_latest(registry)


class AccountMeter:
    """The counts of one account: the ``Meter`` of the ports."""

    def __init__(self, counts: Counts, account: AccountName) -> None:
        self._counts = counts
        self._account = account
        self._listed = counts.listed.labels(account)
        self._stored = counts.downloads.labels(account, "stored")
        self._bytes = counts.bytes.labels(account)
        self._throttled = counts.throttled.labels(account)

    def listed(self, count: int) -> None:
        """A walk has ended, and showed so many recordings."""
        self._listed.inc(count)

    def stored(self, size_bytes: int, seconds: float) -> None:
        """A recording is in storage and in the catalog, so long after it was claimed."""
        self._stored.inc()
        self._bytes.inc(size_bytes)
        self._counts.seconds.observe(seconds)

    def missed(self, outcome: str) -> None:
        """A download ended in an error of this code."""
        self._counts.downloads.labels(self._account, outcome).inc()

    def verified(self, outcome: str, count: int = 1) -> None:
        """Copies were read back."""
        self._counts.verified.labels(outcome).inc(count)

    def requested(self, endpoint: str, status: int | None, _seconds: float) -> None:
        """A request was answered with this status; None: it was not."""
        self._counts.requests.labels(self._account, endpoint, "none" if status is None else str(status)).inc()

    def silenced(self, seconds: float) -> None:
        """The provider asked for silence."""
        self._throttled.inc(seconds)


class _Stock(Collector):
    """What there is, by the catalog; an account that has nothing to tell has no sample."""

    def __init__(self, glance: Glance | None, vitals: Vitals) -> None:
        self._glance = glance
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        """The gauges of the contract, and a few of our own."""
        if self._glance is not None:
            yield from _stock(self._glance)
        yield from _own(self._vitals)
        reachable = float(self._glance is not None)
        yield GaugeMetricFamily(f"{_PREFIX}_catalog_reachable", "Whether the catalog answered this scrape", reachable)
        yield InfoMetricFamily(f"{_PREFIX}_build", "The program", value={"version": version("recording-archiver")})


def _stock(glance: Glance) -> Iterator[Metric]:
    """The gauges of the contract."""
    now = glance.at
    recordings = GaugeMetricFamily(f"{_PREFIX}_recordings", "Recordings by state", labels=["account", "state"])
    backlog = _gauge("backlog", "Recordings that are not archived yet")
    oldest = _gauge("oldest_pending_seconds", "How long the oldest of them waits")
    expiry = _gauge("next_expiry_seconds", "How long until the first of them is deleted by the provider")
    walks = GaugeMetricFamily(
        f"{_PREFIX}_last_complete_walk_timestamp_seconds", "Last complete walk", labels=["account", "listing"]
    )
    for status in glance.statuses:
        for state, count in status.states.items():
            recordings.add_metric([status.account, state], count)
        backlog.add_metric([status.account], status.backlog)
        if status.oldest_unarchived_at is not None:
            oldest.add_metric([status.account], (now - status.oldest_unarchived_at).total_seconds())
        if status.next_expiry_at is not None:
            expiry.add_metric([status.account], (status.next_expiry_at - now).total_seconds())
        for listing, walk in status.walks.items():
            if walk.last_complete_at is not None:
                walks.add_metric([status.account, listing], walk.last_complete_at.timestamp())
    yield from (recordings, backlog, oldest, expiry, walks)


def _own(vitals: Vitals) -> Iterator[Metric]:
    """What this process knows of itself, beyond the contract."""
    flight = _gauge("in_flight", "Downloads under way in the first process of this host")
    failing = _gauge("account_failing", "Whether an account is refused or cannot be reached")
    missed = _gauge("missed_runs", "Scheduled runs that were made up for by a later one")
    for name, account in vitals.accounts.items():
        flight.add_metric([name], account.tally.in_flight)
        failing.add_metric([name], float(account.trouble is not None))
        missed.add_metric([name], account.missed_runs)
    yield from (flight, failing, missed)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=["account"])
