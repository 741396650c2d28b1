"""A simulator whose clock stands still, and a small caller of its REST operations that uses nothing of the client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from liveavatar_nb.simulator import LedgerEntry, Simulator

FRIEND = "https://friend.example"


@dataclass
class Started:
    """A session that was started, with what the two calls answered."""

    id: str
    token: str
    answer: dict[str, Any]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def ws_url(self) -> str:
        return str(self.answer["ws_url"])


class Caller:
    """Calls the simulator with its key."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        # verify=False: reading certificates, of which loopback has none, takes longer than a test
        self._bare = httpx.Client(base_url=simulator.url, trust_env=False, verify=False)
        self.http = httpx.Client(
            base_url=simulator.url, trust_env=False, verify=False, headers={"X-API-KEY": simulator.api_key}
        )

    def post(self, path: str, body: object = None, **others: Any) -> httpx.Response:
        return self.http.post(path, json=body, **others)

    def get(self, path: str, **query: Any) -> Any:
        response = self.http.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def avatar(self, name: str) -> str:
        avatars = self.get("/v1/avatars/public", page_size=100)["results"] + self.get("/v1/avatars")["results"]
        return next(str(avatar["id"]) for avatar in avatars if avatar["name"] == name)

    def made(self, path: str, body: dict[str, Any]) -> str:
        """The id of what this call creates."""
        response = self.post(path, body)
        assert response.status_code == 200, response.text
        data = response.json()["data"]
        return str(data.get("id") or data.get("voice_id"))

    def context(self, prompt: str = "You are a guide.", opening_text: str | None = None, **fields: Any) -> str:
        return self.made("/v1/contexts", {"name": "Guide", "prompt": prompt, "opening_text": opening_text, **fields})

    def secret(self, secret_type: str = "OPENAI_API_KEY") -> str:
        return self.made(
            "/v1/secrets", {"secret_name": "Mine", "secret_value": "secret-canary", "secret_type": secret_type}
        )

    def token(self, **body: Any) -> dict[str, str]:
        response = self.post("/v1/sessions/token", {"mode": "LITE", "avatar_id": self.avatar("Silas"), **body})
        assert response.status_code == 200, response.text
        data: dict[str, str] = response.json()["data"]
        return data

    def start(self, token: str) -> httpx.Response:
        return self.bare("POST", "/v1/sessions/start", headers={"Authorization": f"Bearer {token}"})

    def started(self, **body: Any) -> Started:
        made = self.token(**body)
        response = self.start(made["session_token"])
        assert response.status_code == 201, response.text
        return Started(made["session_id"], made["session_token"], response.json()["data"])

    def stop(self, session_id: str) -> httpx.Response:
        return self.post("/v1/sessions/stop", {"session_id": session_id})

    def bare(self, method: str, path: str, **others: Any) -> httpx.Response:
        """A call without the key."""
        return self._bare.request(method, path, **others)

    def close(self) -> None:
        self.http.close()
        self._bare.close()

    def entry(self, session_id: str) -> LedgerEntry:
        return next(entry for entry in self.simulator.ledger() if entry.session_id == session_id)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One whose time only `advance` moves."""
    with Simulator(speed=0, connect_delay=0.02, history=False) as running:
        yield running


@pytest.fixture
def caller(simulator: Simulator) -> Iterator[Caller]:
    made = Caller(simulator)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    """One for all tests of a module, for those that leave it as it was."""
    with Simulator(speed=0, connect_delay=0.02, history=False, rate_limit=None, allow_origins=[FRIEND]) as running:
        yield running


@pytest.fixture
def shared(shared_simulator: Simulator) -> Iterator[Caller]:
    made = Caller(shared_simulator)
    yield made
    made.close()


@pytest.fixture(scope="module")
def furnished_simulator() -> Iterator[Simulator]:
    """One whose account has things from before."""
    with Simulator(speed=0, rate_limit=None) as running:
        yield running


@pytest.fixture
def furnished(furnished_simulator: Simulator) -> Iterator[Caller]:
    made = Caller(furnished_simulator)
    yield made
    made.close()


@pytest.fixture
def calling() -> Iterator[Any]:
    """Makes a caller of a simulator with settings of its own."""
    opened: list[Caller] = []

    def make(**options: Any) -> Caller:
        opened.append(Caller(Simulator(**{"speed": 0, "connect_delay": 0.02, "history": False, **options})))
        return opened[-1]

    yield make
    for made in opened:
        made.close()
        made.simulator.close()
