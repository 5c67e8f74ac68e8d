"""Several listings of one account as one stock."""

from collections.abc import Mapping
from datetime import datetime

from archiver.sandbox.population import Population, Recording


class Shelves:
    """The populations of an account's listings, by name; an id is its listing's name, a colon and something else."""

    def __init__(self, populations: Mapping[str, Population]) -> None:
        self._populations = populations

    def ids(self) -> list[str]:
        """The ids of all listed recordings, one listing after the other."""
        return [recording_id for population in self._populations.values() for recording_id in population.ids()]

    def find(self, recording_id: str) -> Recording | None:
        """The listed recording of this id, or None."""
        population = self._of(recording_id)
        return None if population is None else population.find(recording_id)

    def was(self, recording_id: str) -> Recording:
        """The recording of this id, deleted or not. Raises: KeyError when there never was one."""
        return self._populations[recording_id.rpartition(":")[0]].was(recording_id)

    def add(self, count: int, now: datetime) -> list[str]:
        """Make recordings appear at the heads of the listings, spread over them."""
        share, rest = divmod(count, len(self._populations))
        added: list[str] = []
        for place, population in enumerate(self._populations.values()):
            added += population.add(share + (place < rest), now)
        return added

    def delete(self, recording_id: str) -> bool:
        """Make a listed recording vanish; False when there is none of this id."""
        population = self._of(recording_id)
        return population is not None and population.delete(recording_id)

    def empty(self, *, is_empty: bool) -> None:
        """Hide everything that is listed, or bring it back."""
        for population in self._populations.values():
            population.empty(is_empty=is_empty)

    def part(self, listing: str) -> Population:
        """The recordings of one listing."""
        return self._populations[listing]

    def _of(self, recording_id: str) -> Population | None:
        return self._populations.get(recording_id.rpartition(":")[0])
