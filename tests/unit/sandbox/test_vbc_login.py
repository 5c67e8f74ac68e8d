"""VBC's tokens over real sockets: two grants, one-time refresh tokens, an end, and a quota for each."""

from datetime import timedelta

import pytest

from archiver.sandbox.options import VbcOptions
from tests.unit.sandbox.guests import VbcGuest, visit_vbc

COMPANY = "accounts/self/company_call_recordings"


async def test_the_password_grant_gives_the_token_in_force(vbc: VbcGuest) -> None:
    """A second login gives the same token with what is left of its life, so nobody may take the life for a constant."""
    answer = await vbc.login(vbc.form())
    assert (answer.status, answer.document["access_token"]) == (200, vbc.token)
    assert set(answer.document) == {"access_token", "refresh_token", "scope", "id_token", "token_type", "expires_in"}
    assert 0 < answer.document["expires_in"] < 86400
    assert vbc.ledger["requests"]["login"] == 2


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"username": "archive@example.com"}, 400, "invalid_grant"),
        ({"password": "wrong"}, 400, "invalid_grant"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, 400, "invalid_grant"),
    ],
)
async def test_a_wrong_form_is_refused(vbc: VbcGuest, change: dict[str, str], status: int, error: str) -> None:
    """The suffix, the scope and every secret are needed; OAuth's words say what was wrong."""
    answer = await vbc.login(vbc.form(**change))
    assert (answer.status, answer.document["error"]) == (status, error)


async def test_a_refresh_token_is_good_once(vbc: VbcGuest) -> None:
    """Each refresh gives a new pair and uses up the old refresh token; the old access token lives on."""
    first = (await vbc.login(vbc.form())).document["refresh_token"]
    form = vbc.form(grant_type="refresh_token", refresh_token=first)
    second, again = await vbc.login(form), await vbc.login(form)
    assert (second.status, again.status, again.document["error"]) == (200, 400, "invalid_grant")
    assert (await vbc.login({**form, "refresh_token": second.document["refresh_token"]})).status == 200
    assert (await vbc.get(COMPANY)).status == 200


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", "Basic {token}"])
async def test_other_tokens_answer_401(vbc: VbcGuest, sent: str) -> None:
    """Every endpoint wants the bearer token, media too."""
    row = (await vbc.rows())[0]
    for url in (f"{vbc.base_url}/api/{COMPANY}", row["_links"]["self"]["href"], row["download_url"]):
        answer = await vbc.ask("GET", url, {"Authorization": sent.format(token=vbc.token)})
        assert (answer.status, answer.body) == (401, b"Unauthorized")


async def test_tokens_end_on_order(vbc: VbcGuest) -> None:
    """expire_tokens ends every access token at once, and the refresh token gives the next."""
    refresh = (await vbc.login(vbc.form())).document["refresh_token"]
    await vbc.control({"expire_tokens": True})
    assert (await vbc.get(COMPANY)).status == 401
    answer = await vbc.login(vbc.form(grant_type="refresh_token", refresh_token=refresh))
    assert answer.document["access_token"] != vbc.token


async def test_the_life_of_a_token_can_be_chosen() -> None:
    """A token that lives no time is refused at once."""
    async with visit_vbc(vbc=VbcOptions(token_life=timedelta(0))) as vbc:
        assert (await vbc.get(COMPANY)).status == 401


async def test_the_quota_belongs_to_a_token() -> None:
    """P1: over it, listing and media answer 429 in the gateway's words without Retry-After; logins never do."""
    async with visit_vbc(vbc=VbcOptions(quota_per_min=3)) as vbc:
        row = (await vbc.rows())[0]
        statuses = [(await vbc.get(row["download_url"])).status for _ in range(2)]
        refused = await vbc.get(COMPANY)
        refresh = (await vbc.login(vbc.form())).document["refresh_token"]
        new = (await vbc.login(vbc.form(grant_type="refresh_token", refresh_token=refresh))).document["access_token"]
        other = VbcGuest(vbc.name, vbc.sandbox, vbc.session, new)
        assert 429 not in statuses
        assert (refused.status, refused.document["fault"]["code"]) == (429, 900802)
        assert "Retry-After" not in refused.headers
        assert (await other.get(COMPANY)).status == 200
