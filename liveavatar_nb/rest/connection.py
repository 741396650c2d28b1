"""Helpers shared by all connections to the service: request credentials and a silent logger."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..config import Masked

if TYPE_CHECKING:
    import httpx

# Passed to websockets, which would otherwise log every frame, URL and header at DEBUG level, tokens included.
# Nobody can enable this logger, because it isn't registered under its name.
SILENT: Final = logging.Logger("liveavatar_nb.socket", logging.CRITICAL + 1)  # noqa: LOG001 (deliberate, see above)


class CredentialAuth:
    """Adds a credential to a request at the moment of sending, so that no stack frame of ours holds the credential.

    Any client accepts it as its `auth`: it is a function of the request, not an object of one library's class.
    """

    def __init__(self, credential: Masked, *, bearer: bool) -> None:
        self._credential = credential
        self._bearer = bearer

    def __call__(self, request: httpx.Request) -> httpx.Request:
        if self._bearer:
            request.headers["Authorization"] = f"Bearer {self._credential.reveal()}"
        else:
            request.headers["X-API-KEY"] = self._credential.reveal()
        return request
