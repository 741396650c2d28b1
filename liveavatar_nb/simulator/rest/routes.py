"""One route for each path of the contract."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from . import avatars, contexts, memories, sessions, settings, voices
from .calls import Function
from .endpoint import Endpoint
from .operations import OPERATIONS

FUNCTIONS: Final[dict[str, Function]] = {
    **sessions.FUNCTIONS,
    **avatars.FUNCTIONS,
    **voices.FUNCTIONS,
    **contexts.FUNCTIONS,
    **settings.FUNCTIONS,
    **memories.FUNCTIONS,
}


def routes() -> list[Route]:
    paths = dict.fromkeys(operation.path for operation in OPERATIONS)
    endpoints = {
        path: Endpoint({one.method: (one, FUNCTIONS[one.id]) for one in OPERATIONS if one.path == path})
        for path in paths
    }
    # without a parameter first: the public gallery is no avatar of the name "public"
    return [Route(path, endpoints[path]) for path in sorted(paths, key=lambda path: "{" in path)]
