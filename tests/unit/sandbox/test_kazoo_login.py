"""Kazoo's tokens over real sockets: two ways to one, their life, and what a login costs."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from archiver.sandbox.kazoo_login import ACCOUNT, USER
from archiver.sandbox.options import KazooOptions
from tests.unit.sandbox.guests import KazooGuest, visit_kazoo

DIGESTED = f"{USER['username'].lower()}:{USER['password']}".encode()
MD5, SHA = hashlib.md5(DIGESTED).hexdigest(), hashlib.sha1(DIGESTED).hexdigest()


async def test_an_api_key_gives_a_token(kazoo: KazooGuest) -> None:
    """PUT answers 201 with the token at the top level, and the account's real id."""
    answer = await kazoo.login({"api_key": kazoo.account["api_key"]})
    assert (answer.status, answer.document["status"]) == (201, "success")
    assert answer.document["data"] == {"account_id": kazoo.ledger["account"]}
    assert answer.document["auth_token"].count(".") == 2
    assert kazoo.ledger["requests"]["login"] == 2


@pytest.mark.parametrize("named", [{field: name} for field, name in ACCOUNT.items()] + [{"account_name": "sandboxltd"}])
@pytest.mark.parametrize("digest", [{"credentials": MD5}, {"credentials": SHA, "method": "sha"}])
async def test_a_user_logs_in_by_digest(kazoo: KazooGuest, named: dict[str, str], digest: dict[str, str]) -> None:
    """MD5 is the default, SHA-1 the other; the account is named by name, realm or telephone number."""
    answer = await kazoo.login({**digest, **named}, "user_auth")
    assert (answer.status, bool(answer.document["auth_token"])) == (201, True)
    assert set(answer.document["data"]) == {"account_id", "owner_id"}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"credentials": MD5}, 401),
        ({"credentials": SHA, "account_name": "Sandbox Ltd"}, 401),
        ({"credentials": MD5, "account_name": "Other"}, 401),
        ({"credentials": MD5, "account_name": "Sandbox Ltd", "method": "crc"}, 400),
        ({"account_name": "Sandbox Ltd"}, 400),
        (None, 400),
    ],
)
async def test_a_wrong_user_is_refused(kazoo: KazooGuest, data: Any, status: int) -> None:
    """A wrong digest or account answers 401, a form that is none 400; no token comes with it."""
    answer = await kazoo.login(data, "user_auth")
    assert (answer.status, answer.document["error"], "auth_token" in answer.document) == (status, str(status), False)


async def test_a_wrong_api_key_answers_404_and_repeats_it(kazoo: KazooGuest) -> None:
    """S5: a wrong key looks like something that does not exist, and the answer holds the key."""
    answer = await kazoo.login({"api_key": "0" * 64})
    assert (answer.status, answer.document["message"], answer.document["data"]) == (404, "bad identifier", ["0" * 64])
    assert (await kazoo.login({"api_key": "short"})).status == 400


async def test_both_headers_carry_the_token(kazoo: KazooGuest) -> None:
    """X-Auth-Token and a bearer are the same, and every envelope repeats the token."""
    url = f"{kazoo.base_url}/accounts/{kazoo.account['account_id']}/recordings"
    for headers in ({"X-Auth-Token": kazoo.token}, {"Authorization": f"Bearer {kazoo.token}"}):
        answer = await kazoo.ask("GET", url, headers)
        assert (answer.status, answer.document["auth_token"]) == (200, kazoo.token)
        assert answer.headers["X-Request-ID"] == answer.document["request_id"]


async def test_missing_and_wrong_tokens_are_told_apart(kazoo: KazooGuest) -> None:
    """Both answer 401, in two spellings; a token in the query is passed over."""
    url = f"{kazoo.base_url}/accounts/{kazoo.account['account_id']}/recordings"
    wrong = await kazoo.ask("GET", url, {"X-Auth-Token": "wrong"})
    none = await kazoo.ask("GET", f"{url}?auth_token={kazoo.token}", {})
    assert (wrong.status, wrong.document["message"], wrong.document["data"]) == (401, "invalid credentials", {})
    assert (none.status, none.document["message"]) == (401, "invalid_credentials")


async def test_tokens_end() -> None:
    """A token has a fixed life, and ends at once on order; the next login gives another."""
    async with visit_kazoo(kazoo=KazooOptions(token_life=timedelta(0))) as kazoo:
        assert (await kazoo.get("recordings")).status == 401
    async with visit_kazoo() as kazoo:
        await kazoo.control({"expire_tokens": True})
        assert (await kazoo.get("recordings")).status == 401
        again = await kazoo.login({"api_key": kazoo.account["api_key"]})
        assert again.document["auth_token"] != kazoo.token


async def test_another_account_is_forbidden(kazoo: KazooGuest) -> None:
    """A token is good for its own account."""
    answer = await kazoo.ask("GET", f"{kazoo.base_url}/accounts/{'0' * 32}/recordings", kazoo.credentials)
    assert (answer.status, answer.document["error"]) == (403, "403")


async def test_a_login_costs_thirty_five() -> None:
    """P1: three logins empty the bucket; then everything answers 429 without Retry-After."""
    async with visit_kazoo(kazoo=KazooOptions(bucket_tokens=100, refill_per_s=0)) as kazoo:
        first = await kazoo.get("recordings")
        logins = [(await kazoo.login({"api_key": kazoo.account["api_key"]})).status for _ in range(2)]
        rest = [(await kazoo.get("recordings")).status for _ in range(29)]
        refused = await kazoo.get("recordings")
        assert first.document["tokens"] == {"consumed": 1, "remaining": 64}
        assert (logins, set(rest)) == ([201, 429], {200})
        assert (refused.status, refused.document["message"]) == (429, "too_many_requests")
        assert "Retry-After" not in refused.headers
