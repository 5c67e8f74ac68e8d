"""VBC's token endpoint: the password grant and the refresh of a token.

Source: vonage developer pages, VBC authentication, read 2026-11.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

from archiver.sandbox.tokens import Grant, TokenDesk

_SUFFIX = "@vbc.prod"
_USERNAME = "archive@example.com"


class Login:
    """The endpoint for one client and one user, whose secrets ``keyed`` makes up."""

    def __init__(self, desk: TokenDesk, keyed: Callable[[str], str]) -> None:
        self._desk = desk
        self._client = {"client_id": keyed("client_id"), "client_secret": keyed("client_secret")}
        self._user = {"username": _USERNAME, "password": keyed("password")}

    def settings(self) -> dict[str, str]:
        """What a configuration says of it; the user name has no suffix yet."""
        return {**self._client, **self._user}

    async def answer(self, request: web.Request) -> web.Response:
        """Give a token for a form that deserves one; OAuth's own words for others."""
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        if not _holds(form, self._client):
            return _refusal(401, "invalid_client", "the client is unknown or its secret is wrong")
        match form.get("grant_type"):
            case "password":
                return self._for_password(form)
            case "refresh_token":
                grant = self._desk.exchange(form.get("refresh_token", ""))
                return _refusal(400, "invalid_grant", "no such token, or used") if grant is None else self._give(grant)
        return _refusal(400, "unsupported_grant_type", "expected password or refresh_token")

    def _for_password(self, form: Mapping[str, str]) -> web.Response:
        if form.get("scope") != "openid":
            return _refusal(400, "invalid_scope", "expected openid")
        if not _holds(form, {**self._user, "username": _USERNAME + _SUFFIX}):
            return _refusal(400, "invalid_grant", "authentication failed")
        return self._give(self._desk.in_force())

    def _give(self, grant: Grant) -> web.Response:
        token = {
            "access_token": grant.access,
            "refresh_token": grant.refresh,
            "scope": "openid",
            "id_token": f"id.{grant.access[:8]}",
            "token_type": "Bearer",
            "expires_in": self._desk.seconds_left(grant),
        }
        return web.json_response(token)


def _holds(form: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(form.get(name) == value for name, value in wanted.items())


def _refusal(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
