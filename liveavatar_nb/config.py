"""What steers the client: the key, the address, and every limit and time-out, each with its unit."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import sys
import threading
from collections.abc import Callable
from typing import Final, NoReturn
from urllib.parse import urlsplit

from .errors import ConfigurationError, warn

DEFAULT_API_URL: Final = "https://api.liveavatar.com/v1/sessions"
KEY_VARIABLE: Final = "LIVEAVATAR_API_KEY"
KEYRING_SERVICE: Final = "liveavatar_nb"

CONNECT_TIMEOUT: Final = 5.0  # s, to open a connection
READ_TIMEOUT: Final = 15.0  # s, between two pieces of an answer
TOTAL_TIMEOUT: Final = 30.0  # s, for one call with all its attempts
BODY_LIMIT: Final = 2 * 1024 * 1024  # bytes of an answer that are read
PICTURE_LIMIT: Final = 4 * 1024 * 1024  # bytes of a preview picture
DRESS_LIMIT: Final = 5.0  # s that a list waits for pictures or sounds before it shows itself
DRESS_AT_ONCE: Final = 4  # sounds that are fetched at the same time
MAX_ATTEMPTS: Final = 3  # of one call, the first included
RETRY_BASE: Final = 0.5  # s, doubled with each attempt
RETRY_CAP: Final = 8.0  # s, the longest wait between two attempts
LONGEST_RETRY_AFTER: Final = 30.0  # s that the service may ask to wait; beyond it the error is raised at once

IDLE_LIMIT: Final = 300.0  # s without a sign of life after which the service ends a session
KEEP_ALIVE_INTERVAL: Final = 60.0  # s
CONNECTED_TIMEOUT: Final = 30.0  # s, from the answer to the start call to the event `connected`
AVATAR_TIMEOUT: Final = 30.0  # s that `wait_for_avatar` waits for the avatar's video
SOCKET_OPEN_TIMEOUT: Final = 10.0  # s, for the WebSocket's handshake
HAPPY_EYEBALLS: Final = 0.25  # s that one address of a host has before the next one is tried beside it (RFC 8305)
SOCKET_CLOSE_TIMEOUT: Final = 1.0  # s, for the goodbye of a WebSocket
SOCKET_PING_INTERVAL: Final = 20.0  # s
SOCKET_PING_TIMEOUT: Final = 20.0  # s, for the answer: a half-open socket shows within 40 s
SOCKET_ATTEMPTS: Final = 5  # to get a lost WebSocket back
SOCKET_RECONNECT_LIMIT: Final = 20.0  # s, for all of these attempts
SOCKET_FRAME_LIMIT: Final = 2 * 1024 * 1024  # bytes of one received frame
HOLDER_LIMIT: Final = 5.0  # s that a command waits for a page that is about to join the room
ARRIVAL_LIMIT: Final = 10.0  # s that the first command waits for the avatar to be in the room
THINKING_LIMIT: Final = 20.0  # s after a question until the avatar does not look as if it thought any more
ANSWER_GRACE: Final = 30.0  # s of silence in which the service is to answer a question
LANGUAGES_LIMIT: Final = 3.0  # s that a start waits for the list of languages, by which a code is checked
LOOK_PAUSE: Final = 3.0  # s between two questions whether a session whose room was lost still lives
OPENING_LIMIT: Final = 10.0  # s after somebody came in which the avatar may say its opening
DEAF: Final = 2.0  # s at most after an interruption in which the service still speaks of what was interrupted
SLOWEST_SPEECH: Final = 8.0  # characters a second
CLEAR_LIMIT: Final = 5.0  # s, to delete what was made for a session
LEAVE_LIMIT: Final = 2.0  # s that who holds a room has to leave it
ROOM_JOIN_LIMIT: Final = 10.0  # s, for this process to join a room
SOCKET_SEND_BUFFER: Final = 8 * 1024 * 1024  # bytes that wait to be sent; 40 s of sound are 2.6 MB
STOP_LIMIT: Final = 10.0  # s, for a stop with all its attempts, and without one confirmed for those that wait
STOPS_AT_ONCE: Final = 10  # of one loop: more keep each other waiting past their limits
INSIST_AFTER_CAP: Final = 60.0  # s past a session's cap until nobody insists on its stop any more
INSIST_INTERVAL: Final = 15.0  # s between two further attempts at a stop that was not confirmed
UNKNOWN_LOOKS: Final = (2.0, 10.0, 30.0, 60.0)  # s after which a start of unknown outcome is looked for
MISSED_KEEP_ALIVES: Final = 3  # in a row, until a session is degraded
SLEEP_GAP: Final = 30.0  # s by which a clock must have jumped ahead for the machine to have slept
PULSE: Final = 5.0  # s between two looks at the clocks while a session lives
UNWATCHED: Final = 60.0  # s without a page that shows it after which a session is stopped
SHORTEST_UNWATCHED: Final = 20.0  # s: two words of a page that says one every 10 s
ATTENTION_TICK: Final = 1.0  # s between two looks whether a kernel is free to hear its pages
ATTENTION_LINGER: Final = 15.0  # s for which these looks go on after somebody last asked
LONG_BUSY: Final = 10.0  # s for which a kernel was busy, from which on its pages get time to be heard
HEARING_GRACE: Final = 15.0  # s that a page then has at least: it says a word every 10 s
LOOP_LIFE: Final = 366 * 86_400.0  # s that no loop runs
LOOP_LIMIT: Final = 2.0  # s until a loop that does not answer is taken for dead
PAGES_LIMIT: Final = 100  # pages of a list that are read to find one session
LIST_READS: Final = 5  # whole reads of a list that changes with each of them
EXIT_STOP_LIMIT: Final = 1.5  # s, for all stops at the interpreter's exit
EVENT_BUFFER: Final = 1000  # events that wait for one reader, or handler; the oldest go first
KEPT_UTTERANCES: Final = 200  # of one session, the newest
KEPT_STOPWATCHES: Final = 100  # sessions of one client whose timings are summed up, the newest
KEPT_LINES: Final = 1000  # of one session's transcript, the newest
SPEECH_LEAD: Final = 2.0  # s of sound that the service holds unsaid: the network may falter for as long
SPEECH_GRACE: Final = 15.0  # s after the end of a sound in which the service is to say that it was spoken
PIECES_AHEAD: Final = 2  # pieces of a sound, of 1 s at most, that are read before they are due
WIRE_ENTRIES: Final = 10_000  # requests and frames that a client's log holds; the oldest go first
WIRE_BYTES: Final = 4 * 1024 * 1024  # of payload that it holds
WIRE_PAYLOAD: Final = 16 * 1024  # bytes of one payload; what is larger is cut
WIRE_TEXT: Final = 4_000  # characters of one text in a payload that is cut
WIRE_SESSIONS: Final = 1000  # whose tokens are known to the log, so as to leave them out; the newest
SAMPLES_KEPT: Final = 1000  # times that a session keeps of each thing that happens often

ROOM_TIMEOUT: Final = 10.0  # s, for one request to a LiveKit server's room service
ROOM_LOOK: Final = 1.0  # s between two looks at who is in a room of one's own
ROOM_EMPTY_TIMEOUT: Final = 300.0  # s that such a room stays with nobody in it
ROOM_PARTICIPANTS: Final = 50  # at once in such a room, the avatar included
ROOM_NAME_LIMIT: Final = 256  # characters of a room's name, and of an identity in it
ROOM_TOKEN_MINUTES: Final = 60.0  # min in which a token for such a room opens it

MAX_MINUTES: Final = 10.0  # min: the cap that goes with every token unless the user says otherwise
MINUTES_OF_A_DAY: Final = 24 * 60  # the largest cap that is taken for meant
SANDBOX_SECONDS: Final = 60.0  # s: a sandbox session's life
SANDBOX_AVATAR: Final = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
CREDITS_PER_MINUTE: Final = {"FULL": 2.0, "LITE": 1.0}


class Masked:
    """A secret that shows itself to nobody: not in repr, str or format, not to pickle, JSON or copy.

    Args:
        secret: the text.
        source: where it came from, in words that may be shown.
    """

    __slots__ = ("_secret", "source")

    def __init__(self, secret: str, source: str = "from the caller") -> None:
        self._secret = secret
        self.source = source

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._secret

    @property
    def fits_a_header(self) -> bool:
        """Whether a header can hold it: printable ASCII without spaces."""
        return self._secret.isascii() and self._secret.isprintable() and " " not in self._secret

    def __repr__(self) -> str:
        return f"<masked, {self.source}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)


def find_key(api_key: str | bytes | Masked | None) -> Masked:
    """The API key: the argument (None and "" both mean "not given"), else the first place that has one.

    These are the environment, Colab's secrets, the keyring of the system where the package `keyring` is
    installed, and a question, where somebody is there to answer it.

    Raises:
        ConfigurationError: there is none.
    """
    if isinstance(api_key, Masked):
        return api_key
    if isinstance(api_key, bytes):
        api_key = api_key.decode("ascii", "replace")
    if api_key is not None and not isinstance(api_key, str):
        raise ConfigurationError(f"api_key must be text, not {type(api_key).__name__}.")
    # a key that was read from a file ends with a new line, which no header can hold
    given = Masked((api_key or "").strip(), "from the argument api_key")
    del api_key
    if given.reveal():
        return given
    for source, look in KEY_SOURCES:
        found = Masked((look() or "").strip(), source)
        if found.reveal():
            return found
    raise ConfigurationError(
        f"There is no API key: api_key was not given and {KEY_VARIABLE} is not set.",
        remedy=(
            "Set one of them, keep the key in Colab's secrets or in a keyring "
            f"(`keyring set {KEYRING_SERVICE} {KEY_VARIABLE}`), or use LiveAvatar.demo(), "
            "which needs no key and no account."
        ),
    )


def _from_environment() -> str | None:
    return os.environ.get(KEY_VARIABLE)


def _from_colab() -> str | None:
    if "google.colab" not in sys.modules:
        return None
    try:
        from google.colab import userdata  # noqa: PLC0415 (exists in Colab only)

        found: str | None = userdata.get(KEY_VARIABLE)
    except Exception:  # noqa: BLE001 (not there, or this notebook may not read it: the next place may have one)
        return None
    return found


def _from_keyring() -> str | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    try:
        import keyring  # noqa: PLC0415 (not a dependency, and slow to import)

        found: str | None = keyring.get_password(KEYRING_SERVICE, KEY_VARIABLE)
    except Exception:  # noqa: BLE001 (a locked one, or none that works: the next place may have one)
        return None
    return found


def _from_question() -> str | None:
    if not _somebody_can_answer():
        return None
    import getpass  # noqa: PLC0415 (rarely needed)

    return getpass.getpass(f"{KEY_VARIABLE}: ")


def _somebody_can_answer() -> bool:
    """Whether a question would be seen: in a kernel whose front end takes input, or at a prompt in a terminal."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    if threading.current_thread() is not threading.main_thread():
        return False
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    return hasattr(sys, "ps1") and sys.stdin is not None and sys.stdin.isatty()


KEY_SOURCES: Final[tuple[tuple[str, Callable[[], str | None]], ...]] = (
    (f"from the environment's {KEY_VARIABLE}", _from_environment),
    ("from Colab's secrets", _from_colab),
    ("from the keyring", _from_keyring),
    ("from what was typed in", _from_question),
)


def find_base(api_url: str | None) -> str:
    """The service's base address: `api_url` without a trailing `/v1/sessions` or `/v1`.

    Raises:
        ConfigurationError: it is no http or https address.
    """
    address = (api_url or DEFAULT_API_URL).strip().rstrip("/")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        usable = usable and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("api_url is no address of the service.", remedy=f"It looks like {DEFAULT_API_URL!r}.")
    if parts.username is not None or parts.password is not None:
        del api_url, address, parts
        raise ConfigurationError(
            "api_url holds a user or a password, which logs and errors would show.",
            remedy="Leave them out: the service takes a key.",
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        warn(f"{parts.hostname} is called by http: the API key travels there unencrypted. Use https.")
    return address.removesuffix("/sessions").removesuffix("/v1")


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
