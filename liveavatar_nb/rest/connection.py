"""What every connection to the service uses: the credential, and a silent logger."""

from __future__ import annotations

import logging
from typing import Any, Final

import httpx

from ..config import Masked

# the logger for websockets, which at DEBUG would log every frame, and the URL and headers with their tokens. It isn't
# registered under a name, so nobody can turn it on
SILENT: Final = logging.Logger("liveavatar_nb.socket", logging.CRITICAL + 1)  # noqa: LOG001 (as said)


class CredentialAuth(httpx.Auth):
    """Adds the credential to a request as it is sent, so that none of our stack frames ever holds it."""

    def __init__(self, credential: Masked, *, bearer: bool) -> None:
        self._credential = credential
        self._bearer = bearer

    def auth_flow(self, request: httpx.Request) -> Any:
        if self._bearer:
            request.headers["Authorization"] = f"Bearer {self._credential.reveal()}"
        else:
            request.headers["X-API-KEY"] = self._credential.reveal()
        yield request
