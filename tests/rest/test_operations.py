"""Each of the contract's operations has one method, with the contract's parameters, on both faces."""

from __future__ import annotations

import contextlib
import email
import email.message
import inspect
import json
import types
import typing
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import httpx
import jsonschema
import pytest
from msgspec import UNSET, Meta, UnsetType

from liveavatar_nb import LiveAvatar, LiveAvatarAPI, Masked, Simulator
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.config import SANDBOX_AVATAR
from liveavatar_nb.rest.operation import UPLOAD, Operation, Resource
from liveavatar_nb.validation import OPEN, UUID_PATTERN

from ..photos import PHOTO

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "liveavatar-openapi.json").read_text())
OPERATIONS = {
    declared["operationId"]: (method, path, declared)
    for path, methods in CONTRACT["paths"].items()
    for method, declared in methods.items()
}
# ours where the contract has none, and what the method asks for besides the contract's own
OWN_DEFAULTS = {("get_v1_sessions", "type"): "active", ("post_v1_memory", "memory_type"): "session"}
# a stop must go out whatever its id looks like
UNCHECKED_FORMATS = {("post_v1_sessions_stop", "session_id"), ("post_v1_sessions_keep_alive", "session_id")}
# left to the service in LITE, where it has no meaning
LEFT_TO_THE_SERVICE = {("post_v1_sessions_token", "interactivity_type")}


def methods() -> dict[str, Any]:
    """The methods that declare an operation, by `resource.method`."""
    api = LiveAvatarAPI("key")
    return {
        f"{name}.{attribute}": method
        for name, resource in vars(api).items()
        if isinstance(resource, Resource)
        for attribute, method in inspect.getmembers(resource, callable)
        if hasattr(method, "operation")
    }


METHODS = methods()


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = CONTRACT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def body_schema(declared: dict[str, Any]) -> dict[str, Any]:
    """Of the body, whether it is JSON or a form; without a body, a schema without fields."""
    schema: dict[str, Any] = {}
    for media_type in declared.get("requestBody", {}).get("content", {}).values():
        schema = media_type["schema"]
    return schema


def contract_fields(declared: dict[str, Any]) -> dict[str, tuple[dict[str, Any], bool]]:
    """Each parameter and body field with its schema, and whether it is required."""
    fields = {one["name"]: (one["schema"], one["required"]) for one in declared["parameters"]}
    body = body_schema(declared)
    for form in body.get("oneOf", [body]):
        schema = resolved(form)
        for name, field in schema.get("properties", {}).items():
            fields.setdefault(name, (field, name in schema.get("required", ())))
    return fields


def test_each_operation_has_one_method() -> None:
    found: dict[str, list[str]] = {}
    for name, method in METHODS.items():
        found.setdefault(method.operation.id, []).append(name)
    print()
    for operation_id in OPERATIONS:
        print(f"{operation_id:45} {', '.join(found.get(operation_id, ['-']))}")
    assert found.keys() == OPERATIONS.keys()
    assert all(len(names) == 1 for names in found.values())


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_its_route_and_credential_are_the_contracts(operation_id: str) -> None:
    verb, path, declared = OPERATIONS[operation_id]
    made = operation_of(operation_id)
    assert (made.method, made.path) == (verb.upper(), path)
    assert made.signed == (declared["security"] != [{}])


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_its_parameters_are_the_contracts(operation_id: str) -> None:
    made = operation_of(operation_id)
    fields = contract_fields(OPERATIONS[operation_id][2])
    assert made.sent.keys() == fields.keys()
    for name, (schema, required) in fields.items():
        parameter = made.signature.parameters[name]
        own = OWN_DEFAULTS.get((operation_id, name))
        default = schema.get("default")
        if own is not None:
            assert parameter.default == own
        elif (operation_id, name) in LEFT_TO_THE_SERVICE:
            assert parameter.default is None
        elif default is None and not required:
            assert parameter.default in (None, UNSET), name
        elif name == "mode":
            assert parameter.default == "LITE"
        elif required and operation_id != "post_v1_sessions_token":
            assert parameter.default is inspect.Parameter.empty, name
        elif default is not None:
            assert parameter.default == default, name
        left_out = parameter.default is None
        assert differences(made.kinds[name], schema, (operation_id, name), may_be_left_out=left_out) == []


def operation_of(operation_id: str) -> Operation:
    found: Operation = next(m.operation for m in METHODS.values() if m.operation.id == operation_id)
    return found


def differences(kind: Any, schema: dict[str, Any], where: tuple[str, ...], *, may_be_left_out: bool) -> list[str]:
    """How a parameter's type differs from the contract's schema, all the way down."""
    options = forms(resolved(schema))
    kinds = [part for part in (get_args(kind) if is_union(kind) else [kind]) if part is not UnsetType]
    found = []
    # None stands for "not given" where that may be, else for the contract's null
    if not may_be_left_out and (NoneType in kinds) != (NULL in options):
        found.append(f"{where}: None does not stand for the contract's null")
    kinds = [part for part in kinds if part is not NoneType]
    options = [option for option in options if option != NULL]
    if len(kinds) != len(options):
        return [*found, f"{where}: {len(kinds)} forms, the contract has {len(options)}"]
    return found + [
        told for part, option in zip(kinds, options, strict=True) for told in of_one_form(part, option, where)
    ]


NULL = {"type": "null"}


def forms(schema: dict[str, Any]) -> list[dict[str, Any]]:
    inner = schema.get("anyOf") or schema.get("oneOf")
    return [flat for form in inner for flat in forms(resolved(form))] if inner else [schema]


def is_union(kind: Any) -> bool:
    return get_origin(kind) in (typing.Union, types.UnionType)


def of_one_form(kind: Any, schema: dict[str, Any], where: tuple[str, ...]) -> list[str]:
    limits = Meta()
    if (schema.get("format") == "binary") != (UPLOAD in getattr(kind, "__metadata__", ())):
        return [f"{where}: a file and something else"]
    if schema.get("format") == "binary":
        return []
    if (schema.get("additionalProperties") is True) != (OPEN in getattr(kind, "__metadata__", ())):
        return [f"{where}: fields beyond those that it names are taken by one and not by the other"]
    if get_origin(kind) is Annotated:
        kind, *extras = get_args(kind)
        limits = next((extra for extra in extras if isinstance(extra, Meta)), Meta())
    wanted = {
        "ge": schema.get("minimum"),
        "gt": schema.get("exclusiveMinimum"),
        "le": schema.get("maximum"),
        "min_length": schema.get("minLength"),
        "max_length": schema.get("maxLength", schema.get("maxProperties")),
        "pattern": UUID_PATTERN if schema.get("format") == "uuid" and where[:2] not in UNCHECKED_FORMATS else None,
    }
    found = [
        f"{where}: {name} is {getattr(limits, name)}, in the contract {value}"
        for name, value in wanted.items()
        # a secret that is empty is refused although the contract does not say so
        if getattr(limits, name) != value and not (name == "min_length" and where[-1].endswith("token"))
    ]
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if choices:
        if get_origin(kind) is not Literal or not set(choices) <= set(get_args(kind)):
            found.append(f"{where}: {kind} is not one of {choices}")
        return found
    if schema.get("type") == "object" and "properties" in schema:
        hints = typing.get_type_hints(kind, include_extras=True)
        if hints.keys() != schema["properties"].keys():
            return [*found, f"{where}: {sorted(hints)} is not {sorted(schema['properties'])}"]
        required = set(schema.get("required", ())) | ({"provider"} & hints.keys())
        if set(kind.__required_keys__) != required:
            found.append(f"{where}: needs {sorted(kind.__required_keys__)}, in the contract {sorted(required)}")
        for name, inner in schema["properties"].items():
            found += differences(unwrapped(hints[name]), inner, (*where, name), may_be_left_out=False)
        return found
    if schema.get("type") == "object":
        return found + differences(
            get_args(kind)[1], schema["additionalProperties"], (*where, "*"), may_be_left_out=False
        )
    if schema.get("type") == "array":
        return found + differences(get_args(kind)[0], schema["items"], (*where, "[]"), may_be_left_out=False)
    names = {"string": str, "integer": int, "number": float, "boolean": bool}
    if kind is not names[schema["type"]]:
        found.append(f"{where}: {kind}, in the contract {schema['type']}")
    return found


def unwrapped(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) in (typing.Required, typing.NotRequired) else kind


# every operation on both faces, over real sockets

Calls = Generator[Any, Any, None]


def scenario(api: Any) -> Calls:
    """Calls all operations in an order in which they can succeed; each `yield` gives what the call answered."""
    public = yield api.avatars.public(page=1, page_size=50)
    silas = next(avatar for avatar in public if avatar.name == "Silas")
    mine = yield api.avatars.list(page_size=10)
    own = next(avatar for avatar in mine if avatar.is_usable)
    yield api.avatars.get(silas.id)
    photo = yield api.avatars.create_from_image(PHOTO, resolution="1080")
    assert (photo.type, photo.status, photo.is_1080p) == ("IMAGE", "INIT", True)
    agent = (yield api.voice_agents.list())[0]
    assert (yield api.voice_agents.get(agent.id)).agent_configuration
    voices = yield api.voices.list(voice_type="public", page=1, page_size=100)
    yield api.voices.get(voices[0].id)
    assert (yield api.voices.preview(voices[0].id)).audio
    yield api.avatars.update(own.id, name="Renamed", default_voice_id=voices[0].id)
    assert [language.code for language in (yield api.languages.list())]

    secret = yield api.secrets.create(
        secret_name="a key", secret_value=Masked("sk-canary"), secret_type="ELEVENLABS_API_KEY"
    )
    assert secret.id in [one.id for one in (yield api.secrets.list())]
    bound = yield api.voices.bind(provider_voice_id="elsewhere", secret_id=secret.id, name="Bound")
    assert (yield api.voices.update(bound.voice_id, name="Renamed")).name == "Renamed"
    yield api.voices.delete(bound.voice_id)
    model = yield api.llm_configurations.create(
        display_name="Mine", model_name="small", secret_id=secret.id, base_url="https://example.org/v1"
    )
    assert (yield api.llm_configurations.update(model.id, display_name="Ours", base_url=None)).base_url is None
    assert (yield api.llm_configurations.get(model.id)).display_name == "Ours"
    assert model.id in [one.id for one in (yield api.llm_configurations.list())]

    context = yield api.contexts.create(
        name="Guide",
        prompt="You guide ${name}.",
        opening_text=None,
        links=[{"url": "https://example.org", "faq": "Where? Here."}],
    )
    assert context.required_dynamic_variables == ["name"]
    assert context.id in [one.id for one in (yield api.contexts.list(page_size=100))]
    changed = yield api.contexts.update(context.id, name="Guide", prompt="You guide.", opening_text="Hello!")
    assert (yield api.contexts.get(context.id)).opening_text == changed.opening_text == "Hello!"
    embed = yield api.embeddings.create(avatar_id=silas.id, context_id=context.id, type="WIDGET", default_language="en")
    assert embed.url

    token = yield api.sessions.create_token(
        mode="FULL",
        avatar_id=silas.id,
        video_settings={"quality": "low", "encoding": "VP8"},
        max_session_duration=120,
        avatar_persona={
            "context_id": context.id,
            "voice_id": voices[0].id,
            "language": "de",
            "voice_settings": {"provider": "elevenLabs", "speed": 1.1, "model": "eleven_flash_v2_5"},
            "stt_config": {"provider": "deepgram"},
        },
        interactivity_type="PUSH_TO_TALK",
        llm_configuration_id=model.id,
        dynamic_variables={"name": "Ada"},
    )
    yield api.sessions.start(token.session_id, token.session_token)
    yield api.sessions.keep_alive(token.session_id, session_token=token.session_token)
    yield api.sessions.keep_alive(token.session_id)
    active = yield api.sessions.list(type="active", page=1, page_size=5)
    assert [session.id for session in active] == [token.session_id]
    yield api.sessions.stop(token.session_id, reason="USER_CLOSED", session_token=token.session_token)
    ended = yield api.sessions.get(token.session_id)
    assert ended.end_reason == "USER_CLOSED"
    yield api.sessions.transcript(token.session_id, start_timestamp=0, end_timestamp=2**40)
    memory = yield api.memory.create(session_id=token.session_id)
    assert memory.id in [one.id for one in (yield api.memory.list(type="session", page_size=100))]
    assert (yield api.memory.get(memory.id)).id == memory.id
    yield api.memory.delete(memory.id)
    yield api.sessions.delete_events(token.session_id)

    led = yield api.sessions.create_token(
        mode="FULL", avatar_id=silas.id, voice_agent={"id": agent.id, "voice_id": voices[0].id}
    )
    assert led.session_id
    lite = yield api.sessions.create_token(
        avatar_id=SANDBOX_AVATAR,
        is_sandbox=True,
        livekit_config={"livekit_url": "wss://example.org", "livekit_room": "r", "livekit_client_token": Masked("t")},
    )
    yield api.sessions.start(lite.session_id, Masked(lite.session_token))
    yield api.sessions.stop(lite.session_id)

    yield api.credits.get()
    yield api.llm_configurations.delete(model.id)
    yield api.contexts.delete(context.id)
    yield api.secrets.delete(secret.id)
    yield api.avatars.delete(own.id)
    yield api.avatars.delete(photo.id)


class Wire:
    """Every request as it left."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.client = httpx.AsyncClient(event_hooks={"request": [self._note]})

    async def _note(self, request: httpx.Request) -> None:
        await request.aread()  # a form is a stream
        self.requests.append(request)

    def breaches(self) -> list[str]:
        """What a JSON-schema validator finds, with the contract as the schema."""
        return [
            f"{request.method} {request.url.path}: {told}" for request in self.requests for told in breaches(request)
        ]

    def operations(self) -> set[str]:
        return {operation_id_of(request) for request in self.requests}


def operation_id_of(request: httpx.Request) -> str:
    pieces = request.url.path.split("/")
    candidates = [
        (sum(part.startswith("{") for part in path.split("/")), operation_id)
        for operation_id, (verb, path, _) in OPERATIONS.items()
        if verb == request.method.lower()
        and len(path.split("/")) == len(pieces)
        and all(part == piece or part.startswith("{") for part, piece in zip(path.split("/"), pieces, strict=True))
    ]
    return str(min(candidates)[1])


def breaches(request: httpx.Request) -> Iterator[str]:
    declared = OPERATIONS[operation_id_of(request)][2]
    queries = {one["name"]: one for one in declared["parameters"] if one["in"] == "query"}
    for name, text in request.url.params.items():
        schema = queries[name]["schema"] if name in queries else {"not": {}}
        value = int(text) if schema.get("type") == "integer" else text
        yield from (error.message for error in validator(schema).iter_errors(value))
    yield from (
        f"{name} is missing" for name, one in queries.items() if one["required"] and name not in request.url.params
    )
    body = declared.get("requestBody")
    if not request.content:
        if body and body["required"]:
            yield "there is no body"
        return
    if body is None:
        yield "the contract has no body here"
        return
    schema = body_schema(declared)
    (media_type,) = body["content"]
    if not request.headers["content-type"].startswith(media_type):
        yield f"the body is not {media_type}"
        return
    sent = form_of(request) if media_type == "multipart/form-data" else json.loads(request.content)
    yield from (error.message for error in validator(schema).iter_errors(sent))
    forms = [resolved(form) for form in schema.get("oneOf", [schema])]
    known = {name for form in forms for name in form["properties"]}
    yield from (f"{name} is not in the contract" for name in sent.keys() - known)
    credential = "x-api-key" if {"ApiKey": []} in declared["security"] else "authorization"
    if declared["security"] != [{}] and not {credential, "authorization"} & request.headers.keys():
        yield "there is no credential"


def form_of(request: httpx.Request) -> dict[str, str]:
    """A form's fields, a file by its size."""
    parsed = email.message_from_bytes(
        b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n" + request.content
    )
    parts = typing.cast("list[email.message.Message]", parsed.get_payload())
    return {
        str(part.get_param("name", header="content-disposition")): (
            f"{len(part.get_payload(decode=True))} bytes" if part.get_filename() else str(part.get_payload())
        )
        for part in parts
    }


def validator(schema: dict[str, Any]) -> Any:
    return jsonschema.Draft202012Validator(
        {**schema, "components": CONTRACT["components"]}, format_checker=jsonschema.FormatChecker()
    )


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    yield wire
    await wire.client.aclose()


async def test_every_operation_goes_through_the_async_face(simulator: Simulator, wire: Wire) -> None:
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url, session=wire.client) as api:
        calls, answer = scenario(api), None
        with contextlib.suppress(StopIteration):
            while True:
                answer = await calls.send(answer)
    assert wire.breaches() == []
    assert wire.operations() == OPERATIONS.keys()


def test_every_operation_goes_through_the_sync_face(simulator: Simulator) -> None:
    wire = Wire()
    with LiveAvatar(simulator.api_key, api_url=simulator.url, http_client=wire.client) as la:
        calls, answer = scenario(la.api), None
        with contextlib.suppress(StopIteration):
            while True:
                answer = calls.send(answer)
        bridge.call(wire.client.aclose())
    assert wire.breaches() == []
    assert wire.operations() == OPERATIONS.keys()
