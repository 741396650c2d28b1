"""What each connection to the service is made with: the credential, and a silent log."""

from __future__ import annotations

import logging
from typing import Any, Final

import httpx

from ..config import Masked

# what websockets is to log by: at DEBUG it would tell each frame, and the address and headers with their token. By no
# name can anybody get at it
SILENT: Final = logging.Logger("liveavatar_nb.socket", logging.CRITICAL + 1)  # noqa: LOG001 (as said)


class Signed(httpx.Auth):
    """Puts the credential on a request as it leaves, so that no frame of ours ever holds it."""

    def __init__(self, credential: Masked, *, bearer: bool) -> None:
        self._credential = credential
        self._bearer = bearer

    def auth_flow(self, request: httpx.Request) -> Any:
        if self._bearer:
            request.headers["Authorization"] = f"Bearer {self._credential.reveal()}"
        else:
            request.headers["X-API-KEY"] = self._credential.reveal()
        yield request
