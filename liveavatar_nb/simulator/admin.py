"""Commands for the simulator's owner: the ledger, the clock, the faults, and records of what clients sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .account.ledger import Session
from .clock import SECOND
from .faults import Fault
from .options import HIGHEST_SPEED, LONGEST_ADVANCE, number
from .rest.answers import answer, failure
from .rest.validation import Invalid, parse
from .service import Service

PREFIX: Final = "/_simulator"

Command = Callable[[Service, dict[str, Any]], Any]


def ledger(service: Service, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    now = service.now()
    return [_entry(session, now) for session in service.ledger.sessions() if not session.past]


def requests(service: Service, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return list(service.requests)


def warnings(service: Service, arguments: dict[str, Any]) -> list[str]:
    return list(service.warnings)


def media(service: Service, arguments: dict[str, Any]) -> str:
    return service.host.description


def refusals(service: Service, arguments: dict[str, Any]) -> list[str]:
    return list(service.refusals)


def heard(service: Service, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [utterance.to_json() for utterance in service.recorder.heard(arguments.get("session_id"))]


def frames(service: Service, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [frame.to_json() for frame in service.recorder.frames(arguments.get("session_id"))]


def advance(service: Service, arguments: dict[str, Any]) -> None:
    service.now()  # ends the sessions that are due to end; called both before and after the clock moves
    seconds = number("seconds", arguments.get("seconds"), low=0, high=LONGEST_ADVANCE)
    service.clock.advance(seconds)
    for stage in service.stages.values():
        stage.skip(seconds)
    service.now()


def set_speed(service: Service, arguments: dict[str, Any]) -> None:
    service.now()
    service.clock.set_speed(number("speed", arguments.get("speed"), low=0, high=HIGHEST_SPEED))


def add_fault(service: Service, arguments: dict[str, Any]) -> None:
    service.faults.add(Fault.from_json(arguments))
    service.clock.poke()


def list_faults(service: Service, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [fault.to_json() for fault in service.faults.list()]


def clear_faults(service: Service, arguments: dict[str, Any]) -> None:
    service.faults.clear()


def _entry(session: Session, now: int) -> dict[str, Any]:
    def seconds(moment: int | None) -> float | None:
        return None if moment is None else moment / SECOND

    return {
        "session_id": session.id,
        "avatar_id": session.avatar_id,
        "mode": session.mode,
        "is_sandbox": session.is_sandbox,
        "created_at": seconds(session.created_at),
        "started_at": seconds(session.started_at),
        "ended_at": seconds(session.ended_at),
        "seconds": session.elapsed(now) / SECOND,
        "credits": str(session.cost(now)),
        "end_reason": session.end_reason,
        "starts": session.starts,
        "stops": session.stops,
        "start_received_at": session.start_received_at,
        "stop_received_at": session.stop_received_at,
    }


def _endpoint(command: Command) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        service: Service = request.app.state.service
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not service.is_admin(token):
            return failure(401, "The simulator's admin token is missing or wrong")
        try:
            arguments = parse(await request.body() or b"{}")
            return answer(200, {"result": command(service, arguments)})
        except (Invalid, TypeError, ValueError) as error:
            return failure(400, str(error))

    return run


def routes() -> list[Route]:
    """Return one route per command."""
    commands: dict[str, Command] = {
        "ledger": ledger,
        "requests": requests,
        "warnings": warnings,
        "refusals": refusals,
        "media": media,
        "heard": heard,
        "frames": frames,
        "advance": advance,
        "speed": set_speed,
        "faults/add": add_fault,
        "faults/list": list_faults,
        "faults/clear": clear_faults,
    }
    return [Route(f"{PREFIX}/{name}", _endpoint(command), methods=["POST"]) for name, command in commands.items()]
