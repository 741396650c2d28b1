"""The routes, one for each path of the contract."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from . import avatars, contexts, memories, sessions, settings, voice_agents, voices
from .calls import Function
from .endpoint import Endpoint
from .operations import OPERATIONS

FUNCTIONS: Final[dict[str, Function]] = {
    **sessions.FUNCTIONS,
    **avatars.FUNCTIONS,
    **voices.FUNCTIONS,
    **voice_agents.FUNCTIONS,
    **contexts.FUNCTIONS,
    **settings.FUNCTIONS,
    **memories.FUNCTIONS,
}


def routes() -> list[Route]:
    """Return the routes for all operations."""
    paths = dict.fromkeys(operation.path for operation in OPERATIONS)
    endpoints = {
        path: Endpoint({o.method: (o, FUNCTIONS[o.id]) for o in OPERATIONS if o.path == path}) for path in paths
    }
    # paths without parameters come first, so that "public" is not mistaken for an avatar's id
    return [Route(path, endpoints[path]) for path in sorted(paths, key=lambda path: "{" in path)]
