"""A server on the loopback interface: what the platforms of this machine have in common, and all they have in common."""

from __future__ import annotations

from aiohttp import web


class Loopback:
    """Serves one application. Whatever it is reached under, it is this machine alone that reaches it."""

    def __init__(self) -> None:
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, app: web.Application, port: int) -> None:
        """Begin to serve on a port, on a free one for 0."""
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop_serving(self) -> None:
        """End that, and all connections."""
        if self._runner is not None:
            await self._runner.cleanup()
