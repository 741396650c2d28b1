"""Masks secrets in everything that is stored, logged or shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from . import config

SECRET_NAME: Final = re.compile(r"(token|secret|secret_value|api_key|password|ws_url)s?$", re.IGNORECASE)
MASK: Final = "<masked>"
SHORTEST_SECRET: Final = 4  # minimum length of a secret to mask; a shorter one would match in almost any text
ECHOES: Final = ("input", "ctx")  # fields that echo the request in the details of a 422 response

MORE: Final = "\N{HORIZONTAL ELLIPSIS}"  # marks where something was cut
DEEPEST: Final = 40  # maximum nesting depth of JSON that is kept
# JSON with at most this many lists and objects is never nested deeply enough to break the encoder
MOST_OPEN: Final = 200
# matches secrets within text, recognised by the words before them, and anything that looks like a LiveKit token
IN_WORDS: Final = (
    r"""(?i)((?:token|secret|secret_value|api_?key|password|ws_url)s?[\\"']*\s*[:=][\\"'\[\s]*|\bbearer\s+)[^\\"'&\s,;}]{8,}"""
    r"|\b(?-i:eyJ)[\w-]{5,}\.[\w.-]+"
)
SHORTEST_IN_WORDS: Final = 14  # minimum length of text to search; shorter text can't contain a secret and its name
CUT_MARGIN: Final = 4096  # also search this many characters beyond a cut; no secret is longer, so none is split


class Placeholder(str):
    """A placeholder for a secret in displayed code: the name of an environment variable that holds the secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f'os.environ["{self}"]'


def secrets_in(data: Any) -> list[str]:
    """Return the secrets in a request or response body, found by their field names."""
    found: list[str] = []
    replaced(data, lambda name, secret: found.append(secret))
    return found


def without_secrets(data: Any, secrets: Iterable[str] = ()) -> Any:
    """Return the data with each secret masked, and without the parts of a 422 response that echo the request.

    Args:
        data: JSON data.
        secrets: Secrets to mask anywhere in the text, in addition to those found by their field names.
    """
    masked = replaced(data, lambda name, secret: MASK, leave_out=ECHOES)
    known = {secret.strip() for secret in secrets}
    # longest first, because one secret may be the beginning of another
    return _mask(masked, sorted((secret for secret in known if len(secret) >= SHORTEST_SECRET), key=len, reverse=True))


def _mask(data: Any, secrets: Sequence[str]) -> Any:
    if isinstance(data, str):
        for secret in secrets:
            data = data.replace(secret, MASK)
    elif isinstance(data, dict):
        return {_mask(name, secrets): _mask(value, secrets) for name, value in data.items()}
    elif isinstance(data, list):
        return [_mask(item, secrets) for item in data]
    return data


def replaced(
    data: Any, fill: Callable[[str, str], Any], *, leave_out: tuple[str, ...] = (), field_name: str = ""
) -> Any:
    """Return a copy of JSON data with each string in a secret field replaced by `fill(name, text)`.

    Args:
        data: JSON data.
        fill: A function that returns the replacement for a secret.
        leave_out: Names of fields to drop.
        field_name: The name of the field that holds the data; if `SECRET_NAME` matches it, every string in the data is
            secret.
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


def kept(data: Any, secrets: Iterable[str] = (), *, leave_out: tuple[str, ...] = ()) -> bytes:
    """Encode JSON data for storage, masking secrets and cutting large data (an ellipsis marks each cut).

    Args:
        data: JSON data.
        secrets: Secrets to mask anywhere, in addition to those recognised by a field's name or the words before them.
        leave_out: Names of fields to drop.
    """
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    try:
        plain = msgspec.json.encode(data)
    except (TypeError, ValueError, RecursionError):
        # the data contains a lone surrogate (an emoji cut in half), or isn't JSON at all
        plain = None
    is_large = plain is None or len(plain) > config.WIRE_PAYLOAD
    hints = plain is None or _hints_at_secrets(plain)
    is_deep = plain is None or plain.count(b"[") + plain.count(b"{") > MOST_OPEN
    # few responses need to be copied, and these checks are many times faster than copying
    if plain is not None and not (is_large or is_deep or hints or leave_out or _quotes(plain, known)):
        return plain
    known.sort(key=len, reverse=True)  # longest first, because one secret may be the beginning of another
    copy = _Copier(known, leave_out, is_large=is_large, hints=hints).copy(data)
    try:
        return msgspec.json.encode(copy)
    except UnicodeEncodeError:
        return json.dumps(copy, ensure_ascii=False).encode("utf-8", "replace")


def _hints_at_secrets(encoded: bytes) -> bool:
    """Return whether `SECRET_NAME` or `IN_WORDS` could match anything in the JSON."""
    low = encoded.lower()
    return (
        b"token" in low
        or b"secret" in low
        or b"api_key" in low
        or b"apikey" in low
        or b"password" in low
        or b"ws_url" in low
        or b"bearer" in low
        or b"eyj" in low
    )


def _quotes(encoded: bytes, secrets: Iterable[str]) -> bool:
    """Return whether any of these secrets, escaped as in JSON, occurs in the encoded data."""
    return any(msgspec.json.encode(secret)[1:-1] in encoded for secret in secrets)


class _Copier:
    """Copies JSON data, masking its secrets and cutting large data to a size limit.

    Args:
        secrets: The known secrets, longest first.
        leave_out: Names of fields to drop.
        is_large: Whether to cut long strings and everything beyond the size limit.
        hints: Whether the data may contain secrets that aren't in `secrets`.
    """

    def __init__(self, secrets: Sequence[str], leave_out: tuple[str, ...], *, is_large: bool, hints: bool) -> None:
        self._secrets = secrets
        self._leave_out = leave_out
        self._is_large = is_large
        self._hints = hints
        self._room = config.WIRE_PAYLOAD
        self._names: dict[Any, tuple[str, bool]] = {}

    def copy(self, value: Any, depth: int = 0, *, is_secret: bool = False) -> Any:
        if isinstance(value, str):
            if is_secret and value:
                return MASK
            text = self._text(value)
            self._room -= len(text) + 2  # quotes
            return text
        if isinstance(value, Mapping):
            return self._mapping(value, depth + 1, is_secret=is_secret)
        if isinstance(value, list | tuple):
            return self._list(value, depth + 1, is_secret=is_secret)
        self._room -= 4  # the approximate length of true, null or a number
        if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        return str(value)

    def _mapping(self, value: Mapping[Any, Any], depth: int, *, is_secret: bool) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for count, (name, item) in enumerate(value.items()):
            if (self._is_large and self._room <= 0) or depth > DEEPEST:
                copied[MORE] = f"{len(value) - count:,} more"
                break
            if name in self._leave_out:
                continue
            if (known := self._names.get(name)) is None:
                text = self._text(str(name))
                known = self._names[name] = text, SECRET_NAME.search(text) is not None
            shown, names_secret = known
            self._room -= len(shown) + 4  # quotes, colon, comma
            copied[shown] = self.copy(item, depth, is_secret=is_secret or names_secret)
        return copied

    def _list(self, value: Sequence[Any], depth: int, *, is_secret: bool) -> list[Any]:
        copied: list[Any] = []
        for count, item in enumerate(value):
            if (self._is_large and self._room <= 0) or depth > DEEPEST:
                copied.append(f"{MORE} {len(value) - count:,} more")
                break
            copied.append(self.copy(item, depth, is_secret=is_secret))
        return copied

    def _text(self, text: str) -> str:
        length = len(text)
        is_long = self._is_large and length > config.WIRE_TEXT
        if is_long:
            if " " not in text[: config.WIRE_TEXT]:
                return f"<{length:,} characters>"  # probably an encoded picture or sound, which nobody would read
            text = text[: config.WIRE_TEXT + CUT_MARGIN]
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        if self._hints and length >= SHORTEST_IN_WORDS:
            text = re.sub(IN_WORDS, lambda found: (found[1] or "") + MASK, text)
        return f"{text[: config.WIRE_TEXT]}{MORE} ({length:,} characters)" if is_long else text
