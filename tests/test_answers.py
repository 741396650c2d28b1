"""Whatever the service answers is a record or one of our errors: 10,000 mutated answers, through the whole stack."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveavatar_nb import LiveAvatarAPI, LiveAvatarException
from liveavatar_nb.errors import APIConnectionError, SchemaError
from liveavatar_nb.listing import Listing
from liveavatar_nb.operation import Resource
from liveavatar_nb.record import Record, Records

CONTRACT = json.loads((Path(__file__).parent / "contract" / "liveavatar-openapi.json").read_text())
MUTATIONS = 10_000
EXAMPLES = {"uuid": "0b5c8f0e-6a51-4a3c-9d2e-5b0f0a8d7c11", "date-time": "2026-11-01T10:00:00Z"}
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    3.5,
    1e300,
    2**70,
    "",
    "text",
    "1",
    "\ud800",
    [],
    [None],
    {},
    {"a": {"b": []}},
    "NEW_VALUE",
]
NEW_FIELD = "field_of_tomorrow"


def example(schema: dict[str, Any]) -> Any:
    """A value that fits a schema of the contract, with every field that it knows."""
    if "$ref" in schema:
        return example(CONTRACT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for form in (schema.get("anyOf") or schema.get("oneOf") or [])[:1]:
        return example(form)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object":
        return {name: example(field) for name, field in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"]) for _ in range(2)]
    by_kind = {"string": "5", "integer": 7, "number": 1.5, "boolean": True}
    return EXAMPLES.get(schema.get("format", ""), by_kind.get(kind or ""))


def operations() -> dict[str, tuple[Callable[[LiveAvatarAPI], Any], int, Any]]:
    """Each operation: how it is called, the status and the data of a right answer."""
    found = {}
    for methods in CONTRACT["paths"].values():
        for declared in methods.values():
            status = next(code for code in declared["responses"] if code.startswith("2"))
            content = declared["responses"][status].get("content")
            data = example(content["application/json"]["schema"]) if content else None
            found[declared["operationId"]] = (caller(declared["operationId"]), int(status), data)
    return found


def caller(operation_id: str) -> Callable[[LiveAvatarAPI], Any]:
    def call(api: LiveAvatarAPI) -> Any:
        for resource in vars(api).values():
            for _, method in inspect.getmembers(resource) if isinstance(resource, Resource) else ():
                made = getattr(method, "operation", None)
                if made is not None and made.id == operation_id:
                    return method(**arguments(made))
        raise AssertionError(operation_id)

    return call


def arguments(made: Any) -> dict[str, Any]:
    """The arguments that it cannot do without."""
    values = {"secret_type": "OPENAI_API_KEY", "name": "a name"}
    needed = [name for name, one in made.signature.parameters.items() if one.default is inspect.Parameter.empty]
    if made.path.endswith(("stop", "keep-alive")):
        needed.append("session_id")
    return {name: values.get(name, EXAMPLES["uuid"]) for name in needed if name != "self"}


OPERATIONS = operations()


class Service:
    """A service that answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""

    def answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, content=self.body, headers={"content-type": "application/json"})


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[str, int, bytes], Any]]:
    """Calls an operation that is answered so; gives what it gave, or our error."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    service = Service()
    client = httpx.AsyncClient(transport=httpx.MockTransport(service.answer))
    api = LiveAvatarAPI("key", session=client)
    with asyncio.Runner() as runner:

        async def call(operation_id: str) -> Any:
            result = OPERATIONS[operation_id][0](api)
            if isinstance(result, Listing):
                cursor = result.cursor()
                return await cursor.turn()
            return await result

        def run(operation_id: str, status: int, body: bytes) -> Any:
            service.status, service.body = status, body
            try:
                return runner.run(call(operation_id))
            except LiveAvatarException as failure:
                return failure

        yield run
        runner.run(client.aclose())


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_right_answer_gives_what_the_contract_says(run: Any, operation_id: str) -> None:
    _, status, answer = OPERATIONS[operation_id]
    result = run(operation_id, status, dumped(answer))
    data: Any = answer["data"] if answer else None
    if isinstance(result, Records):
        sent = data["results"] if isinstance(data, dict) else data
        assert all(one.to_dict().keys() >= its.keys() for one, its in zip(result, sent, strict=True))
        assert not any(one.extra for one in result)
    elif isinstance(result, Record):
        # a session that runs has not the fields of its end, which are the record's too
        assert result.to_dict().keys() >= data.keys()
        assert not result.extra
    else:
        assert result is None


def dumped(answer: Any) -> bytes:
    return b"" if answer is None else json.dumps({**answer, "code": 1000}).encode()


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in an answer."""
    inner: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, int, bytes]:
    operation_id = draw(st.sampled_from(sorted(OPERATIONS)))
    _, status, answer = OPERATIONS[operation_id]
    data = copy.deepcopy({**(answer or {"data": None}), "code": 1000, "message": None})
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from([place for place in places(data) if place]))
        owner = data
        try:
            for key in parents:
                owner = owner[key]
            how = draw(st.sampled_from(["drop", "wrong", "new", "any"]))
            if how == "drop":
                del owner[last]
            elif how == "wrong":
                owner[last] = copy.deepcopy(draw(st.sampled_from(WRONG)))
            elif how == "new" and isinstance(owner, dict):
                owner[NEW_FIELD] = copy.deepcopy(draw(st.sampled_from(WRONG)))
            else:
                owner[last] = draw(st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=3))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took it away
    body = json.dumps(data).encode()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
    return operation_id, draw(st.sampled_from([status] * 8 + [200, 400, 403, 422, 429, 500])), body


def test_ten_thousand_mutated_answers_give_a_record_or_one_of_our_errors(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveavatar_nb.retry.Policy.wait", lambda *told: None)
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=MUTATIONS, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(mutated())
    def check(case: tuple[str, int, bytes]) -> None:
        result = run(*case)
        outcomes[type(result).__name__ if not isinstance(result, Record) else "a record"] += 1
        assert result is None or isinstance(result, Record | Records | LiveAvatarException)
        # an answer came: whatever is in it, it is no lost connection
        assert not isinstance(result, APIConnectionError), result
        repr(result)
        if isinstance(result, Exception):
            assert result.__context__ is None or result.__suppress_context__
            assert NEW_FIELD not in str(result)
            return
        for record in result if isinstance(result, list) else [result]:
            if record is None:
                continue
            json.dumps(record.to_dict()).encode()
            record._repr_html_().encode()
            repr(record).encode()
            assert (NEW_FIELD in record.extra) == hasattr(record, NEW_FIELD)
        if isinstance(result, Records):
            (result._repr_html_() or "").encode()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check()
    print(f"\n{sum(outcomes.values())} answers: {dict(outcomes.most_common())}")
    assert sum(outcomes.values()) >= MUTATIONS
    for kind in ("a record", "Records", "NoneType", SchemaError.__name__):
        assert outcomes[kind] > 100, f"hardly a mutation ended in {kind}"
