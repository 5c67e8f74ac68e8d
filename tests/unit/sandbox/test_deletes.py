"""DELETE at each provider: what vanishes, what is answered, and what the ledger keeps of it."""

from datetime import datetime
from typing import Any

from tests.unit.sandbox.guests import KazooGuest, VbcGuest
from tests.unit.sandbox.visitor import Visitor


def check_ledger(ledger: dict[str, Any], recording_id: str, requests: int) -> None:
    """The delete and every request for one are noted, with their times in order."""
    entry = ledger["recordings"][recording_id]
    asked = [datetime.fromisoformat(moment) for moment in entry["delete_requests"]]
    assert (ledger["requests"]["delete"], len(asked), entry["present"]) == (requests, requests, False)
    assert asked == sorted(asked)
    assert datetime.fromisoformat(entry["deleted_at"]) >= asked[0]


async def test_vobiz_deletes_at_once(visitor: Visitor) -> None:
    """X5: 204 without a body, then 404; listing, retrieve and media know the recording no longer."""
    row = (await visitor.rows())[0]
    url = f"{visitor.listing_url}{row['recording_id']}/"
    answers = []
    for _ in range(2):
        async with visitor.session.delete(url, headers=visitor.credentials) as response:
            answers.append((response.status, await response.read() == b""))
    assert answers == [(204, True), (404, False)]
    assert (await visitor.get(url)).status == (await visitor.get(row["recording_url"])).status == 404
    assert row["recording_id"] not in [found["recording_id"] for found in await visitor.rows()]
    check_ledger(visitor.ledger, row["recording_id"], 2)


async def test_vobiz_wants_credentials_for_a_delete(visitor: Visitor) -> None:
    """X1: without credentials nothing is deleted; a bulk delete is no endpoint here."""
    row = (await visitor.rows())[0]
    async with visitor.session.delete(f"{visitor.listing_url}{row['recording_id']}/") as response:
        assert response.status == 401
    async with visitor.session.delete(f"{visitor.listing_url}BulkDelete/", headers=visitor.credentials) as response:
        assert response.status == 404
    assert len(await visitor.rows()) == 60


async def test_vbc_deletes_where_the_recording_is_listed(vbc: VbcGuest) -> None:
    """X5: a company recording goes at its company path only, although a user's has the same number."""
    row = (await vbc.rows())[0]
    root = f"{vbc.base_url}/api/accounts/self"
    own, other = (f"{root}/{name}/{row['id']}" for name in ("company_call_recordings", "users/x/call_recordings"))
    statuses = [(await vbc.ask("DELETE", url, vbc.bearer)).status for url in (other, own, own)]
    assert statuses == [404, 204, 404]
    assert (await vbc.audio(row)).status == 404
    users = await vbc.rows("users/self/call_recordings")
    assert len(users) == 18
    ledger = vbc.ledger
    ledger["requests"]["delete"] -= 1  # the one at the wrong path names no recording
    check_ledger(ledger, f"company:{row['id']}", 2)


async def test_kazoo_deletes_softly(kazoo: KazooGuest) -> None:
    """X5: the document comes back marked as deleted, and a second delete does not find it."""
    recording_id = next(name for name, entry in kazoo.ledger["recordings"].items() if entry["retrievable"])
    url = f"{kazoo.base_url}/accounts/{kazoo.account['account_id']}/recordings/{recording_id}"
    first, again = [await kazoo.ask("DELETE", url, kazoo.credentials) for _ in range(2)]
    assert (first.status, first.document["data"]["id"]) == (200, recording_id)
    assert first.document["data"]["_read_only"] == {"deleted": True}
    assert (again.status, set(again.document["data"])) == (404, {"message", "cause"})
    check_ledger(kazoo.ledger, recording_id, 2)
