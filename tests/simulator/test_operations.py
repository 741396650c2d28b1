"""The table of operations against the contract: all of them, none twice, each with a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from liveavatar_nb.simulator.rest.operations import OPERATIONS
from liveavatar_nb.simulator.rest.routes import FUNCTIONS

CONTRACT = Path(__file__).parents[1] / "contract" / "liveavatar-openapi.json"


def contract() -> dict[tuple[str, str], Any]:
    paths = json.loads(CONTRACT.read_text())["paths"]
    return {(method.upper(), path): one for path, methods in paths.items() for method, one in methods.items()}


def test_all_of_the_contract_and_nothing_else() -> None:
    told = {where: one["operationId"] for where, one in contract().items()}
    assert {(one.method, one.path): one.id for one in OPERATIONS} == told
    assert sorted(FUNCTIONS) == sorted(told.values())


def test_each_wants_the_credential_that_the_contract_names(shared: Any) -> None:
    for (method, path), one in contract().items():
        status = shared.bare(method, path.replace("{", "").replace("}", ""), json={}).status_code
        assert (status == 401) == (one["security"] != [{}]), (method, path, status)


def test_a_method_that_is_not_there_names_those_that_are(shared: Any) -> None:
    paths = {path for _, path in contract()}
    for path in paths:
        there = {method for method, where in contract() if where == path}
        response = shared.http.put(path)
        assert response.status_code == 405
        assert set(response.headers["Allow"].split(", ")) - {"HEAD"} == there
    assert shared.http.patch("/v1/avatars/public").status_code == 405
    assert shared.http.get("/v1/voices/third_party").status_code == 405
