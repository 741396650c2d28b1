"""One request and its answer, as it can be shown: secrets are masked before anything is kept."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .config import KEY_VARIABLE

SECRET_NAME: Final = re.compile(r"(token|secret|secret_value|api_key|password|ws_url)s?$", re.IGNORECASE)
MASK: Final = "<masked>"
SHORTEST_SECRET: Final = 4  # characters: what is shorter is found in any text
ECHOES: Final = ("input", "ctx")  # of a 422's details: what was sent comes back in them
INDENT: Final = 4
WIDTH: Final = 100

Auth = Literal["key", "bearer"]


class Hole(str):
    """Stands for a secret in what is shown; the text is the name of an environment variable for it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f'os.environ["{self}"]'


def secrets_in(data: Any) -> list[str]:
    """The secrets in a body, by the names of its fields."""
    found: list[str] = []
    replaced(data, lambda name, secret: found.append(secret))
    return found


def without_secrets(data: Any, secrets: Iterable[str] = ()) -> Any:
    """The same data with each secret masked; what a 422 echoes of the request is left out.

    Args:
        data: JSON.
        secrets: those that it may quote anywhere in its words, besides the ones that their fields' names tell.
    """
    named = replaced(data, lambda name, secret: MASK, leave_out=ECHOES)
    known = {secret.strip() for secret in secrets}
    # the longest first: one may be the beginning of another
    return _unquoted(named, sorted((one for one in known if len(one) >= SHORTEST_SECRET), key=len, reverse=True))


def _unquoted(data: Any, secrets: Sequence[str]) -> Any:
    if isinstance(data, str):
        for secret in secrets:
            data = data.replace(secret, MASK)
    elif isinstance(data, dict):
        return {_unquoted(name, secrets): _unquoted(value, secrets) for name, value in data.items()}
    elif isinstance(data, list):
        return [_unquoted(item, secrets) for item in data]
    return data


def replaced(
    data: Any, fill: Callable[[str, str], Any], *, leave_out: tuple[str, ...] = (), field_name: str = ""
) -> Any:
    """A copy of JSON data in which `fill(name, text)` stands for each text that the name of its field calls secret.

    Args:
        data: JSON.
        fill: gives what stands for a secret.
        leave_out: names of fields that are dropped.
        field_name: of the field that holds the data; all texts in a secret field are secret.
    """
    is_secret = SECRET_NAME.search(field_name) is not None
    if isinstance(data, Mapping):
        return {
            name: replaced(value, fill, leave_out=leave_out, field_name=field_name if is_secret else str(name))
            for name, value in data.items()
            if name not in leave_out
        }
    if isinstance(data, list | tuple):
        return [replaced(item, fill, leave_out=leave_out, field_name=field_name) for item in data]
    return fill(field_name, data) if is_secret and isinstance(data, str) and data else data


@dataclass
class Exchange:
    """One request and its answer; `api.last` is the last one.

    Attributes:
        method: GET, POST...
        url: with its query.
        auth: `key` (header `X-API-KEY`), `bearer` (a session's token) or None.
        body: what was sent as JSON, secrets masked; None where nothing was.
        started_at: seconds since the epoch.
        status: the HTTP status; None where no answer came, or none yet.
        seconds: from the request to the end of the answer.
        request_id: the service's id of the request.
    """

    method: str
    url: str
    auth: Auth | None = None
    body: Any = None
    started_at: float = field(default_factory=time.time)
    status: int | None = None
    seconds: float | None = None
    request_id: str | None = None

    def __post_init__(self) -> None:
        self.body = replaced(self.body, lambda name, secret: Hole(_variable_name(name)))

    def curl(self) -> str:
        """The request as a command for a shell; secrets are environment variables."""
        import json  # noqa: PLC0415 (for a look at it only)
        import shlex  # noqa: PLC0415

        parts = [f"curl --request {self.method} {shlex.quote(self.url)}"]
        if self.auth == "key":
            parts.append(f'--header "X-API-KEY: ${KEY_VARIABLE}"')
        elif self.auth == "bearer":
            parts.append('--header "Authorization: Bearer $SESSION_TOKEN"')
        if self.body is not None:
            parts.append("--header 'Content-Type: application/json'")
            # marks that neither JSON nor the shell changes; they give way to variables outside the quotes
            text = json.dumps(replaced(self.body, _mark), ensure_ascii=False)
            parts.append(f"--data {_MARK.sub(_variable, shlex.quote(text))}")
        return " \\\n  ".join(parts)

    def python(self) -> str:
        """The request as a program on httpx; secrets are environment variables."""
        import pprint  # noqa: PLC0415 (for a look at it only)

        headers = {
            "key": f'{{"X-API-KEY": os.environ["{KEY_VARIABLE}"]}}',
            "bearer": '{"Authorization": f"Bearer {os.environ[\'SESSION_TOKEN\']}"}',
        }
        arguments = [repr(self.method), repr(self.url)]
        if self.auth is not None:
            arguments.append(f"headers={headers[self.auth]}")
        if self.body is not None:
            told = pprint.pformat(self.body, indent=1, width=WIDTH, sort_dicts=False)
            arguments.append("json=" + told.replace("\n", "\n" + " " * (INDENT + len("json="))))
        lines = ",\n".join(" " * INDENT + argument for argument in arguments)
        needs_os = "import os\n\n" if "os.environ" in lines else ""
        return (
            f"{needs_os}import httpx\n\nresponse = httpx.request(\n{lines},\n)\n"
            "response.raise_for_status()\nprint(response.text)\n"
        )

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {self.seconds * 1000:.0f} ms"
        return f"<Exchange {self.method} {self.url}: {self.status or 'no answer'}{took}>"


# no text of a user's holds this
_NONCE: Final = uuid.uuid4().hex
_MARK: Final = re.compile(f"{_NONCE}([A-Z0-9_]+);")


def _mark(name: str, secret: str) -> str:
    return f"{_NONCE}{_variable_name(name)};"


def _variable_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _variable(found: re.Match[str]) -> str:
    return f"'\"${found[1]}\"'"
