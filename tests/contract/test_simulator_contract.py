"""Schemathesis drives the simulator by the contract, with right and wrong data: it must keep to every letter of it."""

from __future__ import annotations

import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb.simulator import Simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of packages that schemathesis imports
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import from_schema
    from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

    from .account import PLAN_SECONDS, Account
    from .links import linked

CONTRACT = Path(__file__).with_name("liveavatar-openapi.json")
CASES_AN_OPERATION = 20
CHAINS = 20
MOST_ROUNDS = 16
CHAIN_STEPS = 12
PHASES = ("examples", "coverage", "fuzzing", "stateful")
LEAST_CASES = {"coverage": 1000, "fuzzing": 600, "stateful": 500}
PLACE = "/v1/contexts/{context_id}"
EVERYTHING = ("/",)
# chains that have to get through, and the paths among which they are looked for: among all, long ones are rare
STORIES: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    EVERYTHING: (("POST /v1/contexts", f"GET {PLACE}"), ("POST /v1/secrets", "POST /v1/llm-configurations")),
    ("/v1/voice_agents",): (("GET /v1/voice_agents", "GET /v1/voice_agents/{agent_id}"),),
    ("/v1/avatars", "/v1-alpha/avatars/image"): (
        ("POST /v1-alpha/avatars/image", "GET /v1/avatars/{avatar_id}"),
        ("GET /v1/avatars", "PATCH /v1/avatars/{avatar_id}"),
        ("GET /v1/avatars", "DELETE /v1/avatars/{avatar_id}"),
    ),
    ("/v1/contexts",): (
        ("POST /v1/contexts", f"GET {PLACE}", f"DELETE {PLACE}"),
        ("POST /v1/contexts", f"PATCH {PLACE}", f"GET {PLACE}"),
    ),
    ("/v1/secrets", "/v1/voices", "/v1/llm-configurations"): (
        ("POST /v1/secrets", "POST /v1/voices/third_party", "GET /v1/voices/{voice_id}/preview"),
        ("POST /v1/secrets", "POST /v1/voices/third_party", "DELETE /v1/voices/{voice_id}"),
        ("POST /v1/secrets", "POST /v1/llm-configurations", "GET /v1/llm-configurations/{config_id}"),
    ),
    (
        "/v1/avatars/public",
        "/v1/sessions/token",
        "/v1/sessions/start",
        "/v1/sessions/stop",
        "/v1/sessions/{session_id}",
    ): (
        ("POST /v1/sessions/token", "POST /v1/sessions/start", "GET /v1/sessions/{session_id}"),
        ("POST /v1/sessions/start", "POST /v1/sessions/stop", "GET /v1/sessions/{session_id}"),
    ),
    ("/v1/sessions/stop", "/v1/memory"): (
        ("POST /v1/sessions/stop", "POST /v1/memory", "GET /v1/memory/{memory_id}", "DELETE /v1/memory/{memory_id}"),
    ),
}
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
    raw: dict[str, Any] = json.loads(CONTRACT.read_text())
    return raw


def operations() -> set[str]:
    """As schemathesis names them: method and path."""
    return {f"{method.upper()} {path}" for path, methods in contract()["paths"].items() for method in methods}


class Report:
    """What the run came to, phase by phase."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.breaches: dict[str, str] = {}
        self.errors: list[str] = []
        self.succeeded: dict[str, Counter[str]] = defaultdict(Counter)
        self.chains: Counter[tuple[str, ...]] = Counter()

    def take(self, event: Any) -> None:
        if isinstance(event, NonFatalError | FatalError):
            self.errors.append(str(getattr(event, "info", None) or getattr(event, "exception", event)))
        elif isinstance(event, ScenarioFinished):
            self._scenario(str(event.phase), event.recorder)

    def missing(self, chains: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Those that have not got through."""
        return [chain for chain in chains if chain not in self.chains]

    def _scenario(self, phase: str, recorder: Any) -> None:
        self.cases[phase] += len(recorder.cases)
        for checks in recorder.checks.values():
            for check in checks:
                self.checks[check.name] += 1
                if (info := check.failure_info) is not None:
                    self.breaches[f"{check.name} {recorder.label}"] = f"{info.failure}\n{info.code_sample}"
        for case_id in recorder.cases:
            chain = self._chain(recorder, case_id)
            if chain:
                self.succeeded[phase][chain[-1]] += 1
            if phase == "stateful":
                for first in range(len(chain) - 1):
                    self.chains[tuple(chain[first:])] += 1

    def _chain(self, recorder: Any, case_id: str) -> list[str]:
        """The calls that led here, as far as all of them got 2xx."""
        chain: list[str] = []
        following: str | None = case_id
        while following is not None:
            interaction = recorder.interactions.get(following)
            if interaction is None or interaction.response is None or not 200 <= interaction.response.status_code < 300:
                break
            node = recorder.cases[following]
            chain.insert(0, f"{node.value.method} {node.value.operation.path}")
            following = node.parent_id if node.is_transition_applied else None
        return chain

    def __str__(self) -> str:
        longest = sorted(self.chains.items(), key=lambda item: (-len(item[0]), -item[1]))[:5]
        lines = [
            *(
                f"{phase}: {count} cases, {len(self.succeeded[phase])} operations got 2xx"
                for phase, count in self.cases.items()
            ),
            f"{sum(self.chains.values())} chains of 2xx in the stateful phase, {len(self.chains)} different",
            *(f"  {' -> '.join(chain)}" for chain, _ in longest),
            f"checks: {dict(self.checks)}",
        ]
        return "\n".join(lines)


def run(
    simulator: Simulator,
    account: Account,
    report: Report,
    *,
    seed: int,
    phases: tuple[str, ...],
    paths: tuple[str, ...] = EVERYTHING,
) -> None:
    told: dict[str, dict[str, Any]] = {phase: {"enabled": phase in phases} for phase in PHASES}
    told["stateful"] |= {
        "max-steps": CHAIN_STEPS,
        "generation": {"max-examples": CHAINS},
        # among all operations schemathesis finds more links by itself; a story has those that it tells of
        "inference": {"algorithms": ["dependency-analysis"] if paths == EVERYTHING else []},
    }
    part = contract()
    part["paths"] = {path: methods for path, methods in part["paths"].items() if path.startswith(paths)}
    schema = schemathesis.openapi.from_dict(
        linked(part),
        config=SchemathesisConfig.from_dict(
            {
                "base-url": simulator.url,
                "seed": seed,
                "generation": {"max-examples": CASES_AN_OPERATION, "database": "none"},
                "phases": told,
            }
        ),
    )

    @schema.auth(refresh_interval=None)
    class Credential:
        def get(self, case: Any, context: Any) -> tuple[str, str]:
            if context.operation.path == "/v1/sessions/start":
                return "Authorization", f"Bearer {account.bearer()}"
            return "X-API-KEY", account.key

        def set(self, case: Any, data: tuple[str, str], context: Any) -> None:
            case.headers = {**(case.headers or {}), data[0]: data[1]}
            account.settle(case)

    def after_call(context: Any, case: Any, response: Any) -> None:
        account.look(case, response)

    schema.hook(after_call)
    for event in from_schema(schema).execute():
        report.take(event)


@pytest.mark.timeout(300)
def test_the_simulator_keeps_to_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # schemathesis and hypothesis keep a cache where they run
    with (
        Simulator(credits=10**9, concurrency=10**6, max_session_seconds=PLAN_SECONDS, rate_limit=None) as simulator,
        closing(Account(simulator)) as account,
    ):
        report = Report()
        run(simulator, account, report, seed=0, phases=PHASES[:-1])
        for paths, chains in STORIES.items():
            # hypothesis gives a round up, and says nothing, where an answer is not the one of a replay, and the account
            # changes from call to call: so there are several rounds
            for seed in range(1, MOST_ROUNDS + 1):
                run(simulator, account, report, seed=seed, phases=PHASES[-1:], paths=paths)
                if not report.missing(chains):
                    break

    print(f"\n{report}")
    assert not report.errors, "\n\n".join(report.errors)
    assert not report.breaches, "\n\n".join(f"{name}: {told}" for name, told in report.breaches.items())
    assert set(report.checks) >= MUST_RUN
    assert all(report.cases[phase] >= least for phase, least in LEAST_CASES.items()), report.cases
    succeeded = {operation for counts in report.succeeded.values() for operation in counts}
    assert operations() - succeeded == set(), "these never got through"
    wanted = [chain for chains in STORIES.values() for chain in chains]
    assert report.missing(wanted) == [], "these chains never got through"
