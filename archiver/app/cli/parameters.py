"""Types of values on the command line: times, durations."""

from datetime import UTC, datetime, timedelta

import click

WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])


class DurationType(click.ParamType[timedelta]):
    """A duration on the command line, such as ``10m``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read the duration; anything else is a usage error."""
        from archiver.model.units import parse_duration

        try:
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def in_utc(moment: datetime | None) -> datetime | None:
    """A time from the command line, read as UTC when it names no zone."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
