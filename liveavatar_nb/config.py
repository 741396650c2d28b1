"""The client's settings: the API key, the service's address, and all limits and timeouts with their units."""

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

__all__ = ["Masked", "find_base", "find_key", "is_loopback"]

DEFAULT_API_URL: Final = "https://api.liveavatar.com/v1/sessions"
KEY_VARIABLE: Final = "LIVEAVATAR_API_KEY"
KEYRING_SERVICE: Final = "liveavatar_nb"

CONNECT_TIMEOUT: Final = 5.0  # seconds to wait for a connection to open
READ_TIMEOUT: Final = 15.0  # seconds to wait for the next chunk of a response
TOTAL_TIMEOUT: Final = 30.0  # seconds allowed for one call, including retries
BODY_LIMIT: Final = 2 * 1024 * 1024  # maximum size of a response body, in bytes
PICTURE_LIMIT: Final = 4 * 1024 * 1024  # maximum size of a preview picture, in bytes
UPLOAD_TIMEOUT: Final = 120.0  # seconds allowed for a call that uploads a file, including retries
SHORTEST_IMAGE_SIDE: Final = 1080  # minimum length of the short side of an avatar's image, in pixels
AVATAR_LOOK: Final = 5.0  # seconds between checks whether a new avatar is ready
AVATAR_READY_LIMIT: Final = 600.0  # seconds to wait for a new avatar to become ready, unless the caller sets a limit
DRESS_LIMIT: Final = 5.0  # seconds to wait for a list's pictures or previews before showing the list without them
DRESS_AT_ONCE: Final = 4  # maximum number of voice previews to fetch at the same time
MAX_ATTEMPTS: Final = 3  # maximum number of attempts per call, including the first
RETRY_BASE: Final = 0.5  # base delay between attempts, in seconds; doubled each time
RETRY_CAP: Final = 8.0  # maximum seconds between attempts
LONGEST_RETRY_AFTER: Final = 30.0  # longest Retry-After to honour, in seconds; if a longer one arrives, give up

IDLE_LIMIT: Final = 300.0  # seconds without a keep-alive after which the service ends a session
KEEP_ALIVE_INTERVAL: Final = 60.0  # seconds between keep-alives
CONNECTED_TIMEOUT: Final = 30.0  # seconds to wait for the `connected` event after the start call's response
AVATAR_TIMEOUT: Final = 30.0  # seconds that `wait_for_avatar` waits for the avatar's video
SOCKET_OPEN_TIMEOUT: Final = 10.0  # seconds to wait for a WebSocket's opening handshake
HAPPY_EYEBALLS: Final = 0.25  # seconds to wait before trying a host's next address in parallel (RFC 8305)
SOCKET_CLOSE_TIMEOUT: Final = 1.0  # seconds to wait for a WebSocket's closing handshake
SOCKET_PING_INTERVAL: Final = 20.0  # seconds between pings
SOCKET_PING_TIMEOUT: Final = 20.0  # seconds to wait for a pong; a half-open socket is thus noticed within 40 s
SOCKET_ATTEMPTS: Final = 5  # maximum number of attempts to reconnect a lost WebSocket
SOCKET_RECONNECT_LIMIT: Final = 20.0  # total seconds allowed for all attempts to reconnect a lost WebSocket
SOCKET_FRAME_LIMIT: Final = 2 * 1024 * 1024  # maximum size of a received frame, in bytes
HOLDER_LIMIT: Final = 5.0  # seconds that a command waits for a page that is about to join the room
ARRIVAL_LIMIT: Final = 10.0  # seconds that the first command waits for the avatar to join the room
THINKING_LIMIT: Final = 20.0  # maximum seconds for which the avatar is considered to be thinking about a question
ANSWER_GRACE: Final = 30.0  # seconds of silence after which a question is considered unanswered
LANGUAGES_LIMIT: Final = 3.0  # seconds that a start waits for the list of languages when checking a language code
LOOK_PAUSE: Final = 3.0  # seconds between checks whether a session that has lost its room is still running
OPENING_LIMIT: Final = 10.0  # seconds that the avatar has, after somebody joins, to speak its opening text
DEAF: Final = 2.0  # seconds after an interruption during which events may still refer to interrupted speech
SLOWEST_SPEECH: Final = 8.0  # lowest speaking rate, in characters per second
CLEAR_LIMIT: Final = 5.0  # seconds allowed for deleting everything that was created for a session
LEAVE_LIMIT: Final = 2.0  # seconds to wait for a page or this process to leave a room
ROOM_JOIN_LIMIT: Final = 10.0  # seconds to wait for this process to join a room
SOCKET_SEND_BUFFER: Final = 8 * 1024 * 1024  # maximum size of the send buffer, in bytes; 40 s of audio takes up 2.6 MB
STOP_LIMIT: Final = 10.0  # seconds allowed for a stop, including retries; callers wait no longer than this
STOPS_AT_ONCE: Final = 10  # maximum number of parallel stops per loop; with more, some would exceed their time limit
INSIST_AFTER_CAP: Final = 60.0  # seconds to keep retrying an unconfirmed stop after the session has reached its cap
INSIST_INTERVAL: Final = 15.0  # seconds between retries of an unconfirmed stop
# seconds to wait before each search for a session whose start had an unknown outcome
UNKNOWN_LOOKS: Final = (2.0, 10.0, 30.0, 60.0)
MISSED_KEEP_ALIVES: Final = 3  # number of consecutive missed keep-alives after which a session is considered degraded
SLEEP_GAP: Final = 30.0  # seconds by which a clock must jump ahead before we assume that the machine slept
PULSE: Final = 5.0  # seconds between clock checks while a session is live
UNWATCHED: Final = 60.0  # seconds for which a session may run without any page showing it before it is stopped
SHORTEST_UNWATCHED: Final = 20.0  # minimum value of `unwatched`, in seconds; a page sends two heartbeats in this time
ATTENTION_TICK: Final = 1.0  # seconds between checks whether the kernel is free to handle messages from its pages
ATTENTION_LINGER: Final = (
    15.0  # seconds to keep checking whether the kernel is free, measured from the last time the result was read
)
LONG_BUSY: Final = 10.0  # seconds for which a kernel must be busy before its pages get extra time to report in
HEARING_GRACE: Final = 15.0  # minimum extra seconds that a page gets to report in; pages send a heartbeat every 10 s
LOOP_LIFE: Final = 366 * 86_400.0  # a number of seconds that exceeds the lifetime of any event loop
LOOP_LIMIT: Final = 2.0  # seconds without a response after which an event loop is considered dead
PAGES_LIMIT: Final = 100  # maximum number of list pages to read when looking for one session
LIST_READS: Final = 5  # maximum number of attempts to read a list that keeps changing
EXIT_STOP_LIMIT: Final = 1.5  # total seconds allowed for all stops at interpreter exit
EVENT_BUFFER: Final = 1000  # maximum number of events queued per reader or handler; the oldest are dropped first
KEPT_UTTERANCES: Final = 200  # maximum number of utterances kept per session; the oldest are dropped first
KEPT_STOPWATCHES: Final = 100  # maximum number of sessions per client with stored timings; the oldest are dropped first
KEPT_LINES: Final = 1000  # maximum number of transcript lines kept per session; the oldest are dropped first
SPEECH_LEAD: Final = 2.0  # seconds of audio to send ahead of playback; network outages shorter than this are inaudible
RECONNECT_GRACE: Final = 2.0  # seconds to wait for word of what is being said, once a lost room is reached again
SPEECH_GRACE: Final = 15.0  # seconds to wait, after a sound should have ended, before treating it as not spoken
PIECES_AHEAD: Final = 2  # number of audio chunks (up to 1 s each) to read ahead
WIRE_ENTRIES: Final = 10_000  # maximum number of requests and frames in a client's log; the oldest are dropped first
WIRE_BYTES: Final = 4 * 1024 * 1024  # maximum total size of the payloads in a client's log, in bytes
WIRE_PAYLOAD: Final = 16 * 1024  # maximum size of one payload, in bytes; larger payloads are cut
WIRE_TEXT: Final = 4_000  # maximum characters per string in a payload that is cut
WIRE_SESSIONS: Final = 1000  # maximum number of sessions whose tokens the log masks; the oldest are forgotten first
SAMPLES_KEPT: Final = 1000  # maximum number of timings that a session keeps for each kind of frequent event

ROOM_TIMEOUT: Final = 10.0  # seconds allowed for one request to a LiveKit server's room service
ROOM_LOOK: Final = 1.0  # seconds between checks of who is in your own room
ROOM_EMPTY_TIMEOUT: Final = 300.0  # seconds for which your own room stays open while nobody is in it
ROOM_PARTICIPANTS: Final = 50  # maximum number of participants in your own room, including the avatar
ROOM_NAME_LIMIT: Final = 256  # maximum length of a room's name or a participant's identity, in characters
ROOM_TOKEN_MINUTES: Final = 60.0  # minutes for which a token for your own room is valid

MAX_MINUTES: Final = 10.0  # cap on a session's length, in minutes, unless the user sets a different one
MINUTES_OF_A_DAY: Final = 24 * 60  # the number of minutes in a day; a larger cap is probably a mistake
SANDBOX_SECONDS: Final = 60.0  # seconds that a sandbox session lasts
SANDBOX_AVATAR: Final = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
CREDITS_PER_MINUTE: Final = {"FULL": 2.0, "LITE": 1.0}


class Masked:
    """A secret that never reveals its value through repr, str, format, pickle, JSON or copy.

    Args:
        secret: The secret text.
        source: Where the secret came from, in words that are safe to show.
    """

    __slots__ = ("_secret", "source")

    def __init__(self, secret: str, source: str = "from the caller") -> None:
        self._secret = secret
        self.source = source

    def reveal(self) -> str:
        """Return the secret itself; call this only to send the secret."""
        return self._secret

    @property
    def fits_a_header(self) -> bool:
        """Whether the secret is valid in an HTTP header: printable ASCII without spaces."""
        return self._secret.isascii() and self._secret.isprintable() and " " not in self._secret

    def __repr__(self) -> str:
        return f"<masked, {self.source}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled or copied")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)


def find_key(api_key: str | bytes | Masked | None) -> Masked:
    """Return the API key from the argument, or from the first source that has one.

    The sources are the environment, Colab's secrets, the system's keyring (if the package `keyring` is installed),
    and a prompt (if somebody is there to answer it).

    Args:
        api_key: The key; None and "" both mean "not given".

    Raises:
        ConfigurationError: No source has a key.
    """
    if isinstance(api_key, Masked):
        return api_key
    if isinstance(api_key, bytes):
        api_key = api_key.decode("ascii", "replace")
    if api_key is not None and not isinstance(api_key, str):
        raise ConfigurationError(f"api_key must be text, not {type(api_key).__name__}.")
    # a key read from a file often ends with a newline, which isn't valid in a header
    given = Masked((api_key or "").strip(), "from the argument api_key")
    if given.reveal():
        return given
    for source, look in KEY_SOURCES:
        found = Masked((look() or "").strip(), source)
        if found.reveal():
            return found
    raise ConfigurationError(
        f"No API key found: api_key was not given and {KEY_VARIABLE} is not set.",
        remedy=(
            f"Pass api_key, set {KEY_VARIABLE}, store the key in Colab's secrets or in a keyring "
            f"(`keyring set {KEYRING_SERVICE} {KEY_VARIABLE}`), or use LiveAvatar.demo(), "
            "which needs no key or account."
        ),
    )


def _from_environment() -> str | None:
    return os.environ.get(KEY_VARIABLE)


def _from_colab() -> str | None:
    if "google.colab" not in sys.modules:
        return None
    try:
        from google.colab import userdata  # noqa: PLC0415 (only exists in Colab)

        found: str | None = userdata.get(KEY_VARIABLE)
    except Exception:  # noqa: BLE001 (not set, or this notebook has no access to it: try the next source)
        return None
    return found


def _from_keyring() -> str | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    try:
        import keyring  # noqa: PLC0415 (not a dependency, and slow to import)

        found: str | None = keyring.get_password(KEYRING_SERVICE, KEY_VARIABLE)
    except Exception:  # noqa: BLE001 (locked, or no working backend: try the next source)
        return None
    return found


def _from_prompt() -> str | None:
    if not _can_prompt():
        return None
    import getpass  # noqa: PLC0415 (rarely needed)

    return getpass.getpass(f"{KEY_VARIABLE}: ")


def _can_prompt() -> bool:
    """Return whether the user would see a prompt.

    A prompt is visible in a kernel whose front end accepts input, and in an interactive Python session in a terminal.
    """
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
    ("from the prompt", _from_prompt),
)


def find_base(api_url: str | None) -> str:
    """Return the service's base URL: `api_url` without a trailing `/v1/sessions` or `/v1`.

    Raises:
        ConfigurationError: `api_url` isn't a valid http or https URL.
    """
    address = (api_url or DEFAULT_API_URL).strip().rstrip("/")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        usable = usable and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("api_url is not a valid URL.", remedy=f"It should look like {DEFAULT_API_URL!r}.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "api_url contains a user name or a password, which logs and errors would show.",
            remedy="Leave them out; authenticate with an API key instead.",
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        warn(f"api_url uses http, so the API key is sent to {parts.hostname} unencrypted. Use https.")
    return address.removesuffix("/sessions").removesuffix("/v1")


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address refers to this machine."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
