"""The provider's clock, as the HTTP client remembers it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from archiver.model.errors import Denied
from archiver.net.http import Request
from tests.accounts import make_account, make_client
from tests.fakes.web import answering, serve, serve_raw

HUGE = b"Date: Sun, 22 Nov 99999999999999999999 10:00:30 GMT\r\n"


def http_date(ahead: timedelta) -> str:
    """The time by a clock that is so far ahead of ours."""
    return format_datetime(datetime.now(UTC) + ahead, usegmt=True)


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(0), timedelta(days=-400)])
async def test_the_provider_s_clock_is_compared(ahead: timedelta) -> None:
    """Before an answer nothing is known; then how far its clock is ahead, whatever the status."""
    async with (
        serve(answering(401, {}, {"Date": http_date(ahead)})) as peer,
        make_client(make_account(base_url=peer.origin)) as http,
    ):
        assert http.skew is None
        with pytest.raises(Denied):
            await http.fetch_json(Request(endpoint="list", url=peer.origin))
        assert http.skew is not None
        assert abs(http.skew - ahead) <= timedelta(seconds=5)


@pytest.mark.parametrize("header", [b"", b"Date: some day\r\n", b"Date: Mon, 99 Foo 2026 00:00:00 GMT\r\n", HUGE])
async def test_without_a_date_nothing_is_known(header: bytes) -> None:
    """An answer that names no time, or none that can be read, tells nothing."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + header + b"\r\n{}"
    async with serve_raw(answer) as peer, make_client(make_account(base_url=peer.origin)) as http:
        await http.fetch_json(Request(endpoint="list", url=peer.origin))
        assert http.skew is None


async def test_a_stranger_s_clock_does_not_count() -> None:
    """Media may lie anywhere: only hosts that get the credentials are compared."""
    async with (
        serve(answering(200, "audio", {"Date": http_date(timedelta(days=1))})) as stranger,
        make_client(make_account(base_url="https://api.vobiz.ai/api/v1")) as http,
    ):
        async with http.exchange(Request(endpoint="media", url=stranger.origin)) as response:
            await response.read()
        assert http.skew is None
