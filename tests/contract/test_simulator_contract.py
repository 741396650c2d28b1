"""Schemathesis drives the simulator by the contract, with right and wrong data: it must keep to every letter of it."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from liveavatar_nb.simulator import Simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of packages that schemathesis imports
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import from_schema
    from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
    from schemathesis.generation import GenerationMode

CONTRACT = Path(__file__).with_name("liveavatar-openapi.json")
OPERATIONS = {
    "post_v1_sessions_token",
    "post_v1_sessions_start",
    "post_v1_sessions_stop",
    "post_v1_sessions_keep_alive",
    "get_v1_sessions",
    "get_v1_sessions_session_id",
    "get_v1_avatars",
    "get_v1_avatars_public",
    "get_v1_avatars_avatar_id",
    "get_v1_users_credits",
}
CASES_AN_OPERATION = 60
LEAST_CASES = 800
PLAN_SECONDS = 1200
SANDBOX_AVATAR = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
MUST_RUN = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
}


def contract() -> dict[str, Any]:
    """The contract's operations that the simulator has."""
    raw: dict[str, Any] = json.loads(CONTRACT.read_text())
    paths = {
        path: {method: operation for method, operation in methods.items() if operation["operationId"] in OPERATIONS}
        for path, methods in raw["paths"].items()
    }
    raw["paths"] = {path: methods for path, methods in paths.items() if methods}
    return raw


class Account:
    """What a right call needs and no generator can know: credentials, avatars and sessions that exist."""

    def __init__(self, simulator: Simulator) -> None:
        self._http = httpx.Client(
            base_url=simulator.url, headers={"X-API-KEY": simulator.api_key}, trust_env=False, verify=False
        )
        self.key = simulator.api_key
        found = self._http.get("/v1/avatars/public").json()["data"]["results"]
        self.avatar = next(avatar["id"] for avatar in found if avatar["status"] == "ACTIVE")

    def close(self) -> None:
        self._http.close()

    def token(self) -> dict[str, str]:
        body = {"mode": "LITE", "avatar_id": self.avatar}
        data: dict[str, str] = self._http.post("/v1/sessions/token", json=body).json()["data"]
        return data

    def running(self) -> str:
        made = self.token()
        self._http.post("/v1/sessions/start", headers={"Authorization": f"Bearer {made['session_token']}"})
        return made["session_id"]

    def settle(self, case: Any) -> None:
        """Makes a case that is right by its form right by its content too."""
        if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
            return
        body = case.body if isinstance(case.body, dict) else {}
        if case.operation.path == "/v1/sessions/token" and "avatar_id" in body:
            body["avatar_id"] = SANDBOX_AVATAR if body.get("is_sandbox") else self.avatar
            if body.get("max_session_duration") is not None:
                body["max_session_duration"] = 1 + abs(int(body["max_session_duration"])) % PLAN_SECONDS
        elif case.operation.path in ("/v1/sessions/stop", "/v1/sessions/keep-alive"):
            # these cases carry the key, with which there is no session without its id
            body["session_id"] = self.running()
            case.body, case.media_type = body, "application/json"


def test_the_simulator_keeps_to_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # schemathesis and hypothesis keep a cache where they run
    with (
        Simulator(credits=10**9, concurrency=10**6, max_session_seconds=PLAN_SECONDS) as simulator,
        closing(Account(simulator)) as account,
    ):
        schema = schemathesis.openapi.from_dict(
            contract(),
            config=SchemathesisConfig.from_dict(
                {
                    "base-url": simulator.url,
                    "seed": 1,
                    "generation": {"max-examples": CASES_AN_OPERATION, "database": "none"},
                }
            ),
        )

        @schema.auth(refresh_interval=None)
        class Credential:
            def get(self, case: Any, context: Any) -> tuple[str, str]:
                if context.operation.path == "/v1/sessions/start":
                    return "Authorization", f"Bearer {account.token()['session_token']}"
                return "X-API-KEY", account.key

            def set(self, case: Any, data: tuple[str, str], context: Any) -> None:
                case.headers = {**(case.headers or {}), data[0]: data[1]}
                account.settle(case)

        checks: Counter[str] = Counter()
        operations: Counter[str] = Counter()
        breaches: dict[str, str] = {}
        errors = []
        for event in from_schema(schema).execute():
            if isinstance(event, NonFatalError | FatalError):
                errors.append(str(getattr(event, "info", None) or getattr(event, "exception", event)))
            elif isinstance(event, ScenarioFinished):
                operations[str(event.label)] += len(event.recorder.cases)
                for node in event.recorder.checks.values():
                    for check in node:
                        checks[check.name] += 1
                        if check.failure_info is not None:
                            breaches[f"{check.name} {event.label}"] = (
                                f"{check.failure_info.failure}\n{check.failure_info.code_sample}"
                            )
        answered = Counter((request["path"], request["status"]) for request in simulator.requests())

    print(f"\n{sum(operations.values())} cases\n{dict(checks)}")
    assert not errors, "\n\n".join(errors)
    assert not breaches, "\n\n".join(f"{name}: {told}" for name, told in breaches.items())
    assert set(checks) >= MUST_RUN
    assert sum(operations.values()) >= LEAST_CASES
    assert answered["/v1/sessions/token", 200] > CASES_AN_OPERATION, "hardly a case got through"
    assert answered["/v1/sessions/stop", 200] > 5


def test_every_operation_is_the_contracts() -> None:
    known = {
        operation["operationId"]
        for methods in json.loads(CONTRACT.read_text())["paths"].values()
        for operation in methods.values()
    }
    assert known >= OPERATIONS
