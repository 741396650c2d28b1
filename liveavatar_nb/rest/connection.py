"""Shared by all connections to the service: the credential of a request, and a silent logger."""

from __future__ import annotations

import logging
from typing import Any, Final

import httpx

from ..config import Masked

# websockets gets this logger because, at DEBUG, it logs every frame, and the URL and headers, tokens included.
# The logger isn't registered under its name, so nobody can turn it on.
SILENT: Final = logging.Logger("liveavatar_nb.socket", logging.CRITICAL + 1)  # noqa: LOG001 (deliberate, see above)


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
