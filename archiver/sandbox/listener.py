"""A port of the loopback interface."""

import socket

from aiohttp import web

_ADDRESS = "127.0.0.1"
_CLOSING_SECONDS = 1.0


class Listener:
    """A free port of 127.0.0.1, bound from the start, so that addresses are known before anything is served."""

    def __init__(self) -> None:
        self._socket = socket.create_server((_ADDRESS, 0))
        self.host = f"{_ADDRESS}:{self._socket.getsockname()[1]}"
        self.origin = f"http://{self.host}"

    async def serve(self, application: web.Application) -> web.AppRunner:
        """Answer requests from now on; the runner's ``cleanup`` ends that and gives the port back."""
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_CLOSING_SECONDS)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        return runner

    def close(self) -> None:
        """Give the port back; harmless where the runner did."""
        self._socket.close()
