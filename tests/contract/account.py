"""What a right call needs and no generator can know: credentials, and ids of things that exist."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

import httpx
from schemathesis.generation import GenerationMode

from liveavatar_nb.simulator import Simulator

from ..photos import PHOTO
from .links import SANDBOX_AVATAR

PLAN_SECONDS = 1200
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Account:
    """Makes a case that is right by its form right by its content too.

    Ids that the simulator has answered before are left alone, so that what a link hands from one call to the next
    arrives there.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._http = httpx.Client(
            base_url=simulator.url, headers={"X-API-KEY": simulator.api_key}, trust_env=False, verify=False
        )
        self.key = simulator.api_key
        self._voice = self._get("/v1/voices")["results"][-1]["id"]
        self._voice_agent = self._get("/v1/voice_agents")[0]["id"]
        self._seen: set[str] = set()
        self._tokens: deque[dict[str, str]] = deque(maxlen=1)
        self._makers: dict[str, Callable[[], str]] = {
            "avatar_id": lambda: SANDBOX_AVATAR,
            "voice_id": lambda: self._voice,
            "default_voice_id": lambda: self._voice,
            "context_id": self._context,
            "secret_id": self._secret,
            "llm_configuration_id": self._llm_configuration,
            "session_id": self._ended,
            "prev_session_id": self._ended,
            "session_memory_id": self._memory,
        }

    def close(self) -> None:
        self._http.close()

    def look(self, case: Any, response: Any) -> None:
        """Keeps the ids of an answer, and the token of the latest session that nobody has started."""
        if response.status_code >= 300:
            return
        text = response.content.decode()
        self._seen.update(UUID.findall(text))
        if case.operation.path == "/v1/sessions/token" and case.method == "POST":
            self._tokens.append(response.json()["data"])

    def bearer(self) -> str:
        """Of the session that was made last, so that a chain of calls starts what it has made; else of a new one."""
        made = self._tokens.pop() if self._tokens else self._token()
        return (self._token() if self._state(made["session_id"]) == "ended" else made)["session_token"]

    def settle(self, case: Any) -> None:
        if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
            return
        if case.operation.path in ("/v1/sessions/stop", "/v1/sessions/keep-alive"):
            self._point_at_a_session(case)
        elif case.operation.path == "/v1/sessions/{session_id}/events":
            self._let_it_end(case.path_parameters)
        elif isinstance(case.body, dict):
            self._put_ids(case.body)
            if case.operation.path == "/v1-alpha/avatars/image":
                case.body["file"] = PHOTO
            elif case.operation.path == "/v1/sessions/token":
                self._suit_the_plan(case.body)
            elif case.operation.path == "/v1/memory":
                self._let_it_end(case.body)

    def _point_at_a_session(self, case: Any) -> None:
        # these cases carry the key, with which there is no session without its id
        body = case.body if isinstance(case.body, dict) else {}
        if body.get("session_id") not in self._seen:
            body["session_id"] = self._running()
        case.body, case.media_type = body, "application/json"

    def _let_it_end(self, parameters: dict[str, Any]) -> None:
        """Another session in the place of one that has not ended, of which these calls want nothing."""
        if self._state(str(parameters["session_id"])) == "open":
            parameters["session_id"] = self._ended()

    def _state(self, session_id: str) -> Literal["unknown", "open", "ended"]:
        found = self._http.get(f"/v1/sessions/{quote(session_id, safe='')}")
        if found.status_code != 200 or "data" not in found.json():
            return "unknown"
        return "ended" if "end_at" in found.json()["data"] else "open"

    def _suit_the_plan(self, body: dict[str, Any]) -> None:
        if "voice_agent" in body:
            body["voice_agent"] = {"id": self._voice_agent}
        if "avatar_id" in body:
            body["avatar_id"] = SANDBOX_AVATAR  # one that was seen may not be ACTIVE
        if body.get("max_session_duration") is not None:
            body["max_session_duration"] = 1 + abs(int(body["max_session_duration"])) % PLAN_SECONDS

    def _put_ids(self, body: dict[str, Any]) -> None:
        for name, value in body.items():
            if isinstance(value, dict):
                self._put_ids(value)
            elif name in self._makers and isinstance(value, str) and value not in self._seen:
                body[name] = self._makers[name]()

    def _get(self, path: str) -> Any:
        return self._http.get(path).json()["data"]

    def _post(self, path: str, **body: Any) -> Any:
        return self._http.post(path, json=body).json()["data"]

    def _token(self) -> dict[str, str]:
        data: dict[str, str] = self._post("/v1/sessions/token", mode="LITE", avatar_id=SANDBOX_AVATAR)
        return data

    def _running(self) -> str:
        made = self._token()
        self._http.post("/v1/sessions/start", headers={"Authorization": f"Bearer {made['session_token']}"})
        return made["session_id"]

    def _ended(self) -> str:
        session_id = self._running()
        self._post("/v1/sessions/stop", session_id=session_id)
        return session_id

    def _context(self) -> str:
        return str(self._post("/v1/contexts", name="c", prompt="p", opening_text=None)["id"])

    def _secret(self) -> str:
        made = self._post("/v1/secrets", secret_name="s", secret_value="v", secret_type="OPENAI_API_KEY")
        return str(made["id"])

    def _llm_configuration(self) -> str:
        made = self._post("/v1/llm-configurations", display_name="d", model_name="m", secret_id=self._secret())
        return str(made["id"])

    def _memory(self) -> str:
        return str(self._post("/v1/memory", memory_type="session", session_id=self._ended())["id"])
