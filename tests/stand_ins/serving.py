"""What stand-ins that a test talks to from its own thread have in common: how they are served."""

from __future__ import annotations

import threading
import time

import uvicorn
from starlette.applications import Starlette


class InAThread:
    """A server of an app on a free port, which a thread runs between `start` and `stop`."""

    url: str

    def serve(self, app: Starlette, *, path: str = "", log_level: str = "warning") -> None:
        """Make the server; `url` will end in `path`."""
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level=log_level, lifespan="off", timeout_graceful_shutdown=0
        )
        self._path = path
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Serve from a thread."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}{self._path}"

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(5)
