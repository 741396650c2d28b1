"""Where the key is looked for, in which order, and when somebody is asked for it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import types
from collections.abc import Iterator

import keyring
import pytest
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from keyring.backend import KeyringBackend

from liveavatar_nb import LiveAvatar, Masked
from liveavatar_nb.config import KEY_SOURCES, KEY_VARIABLE, KEYRING_SERVICE, find_base, find_key, is_loopback
from liveavatar_nb.errors import ConfigurationError, LiveAvatarWarning

ANSWER_LIMIT = 30.0  # s


class OneRing(KeyringBackend):
    """A keyring that holds one key."""

    priority = 1
    holds: str | None = None

    def get_password(self, service: str, username: str) -> str | None:
        return self.holds if (service, username) == (KEYRING_SERVICE, KEY_VARIABLE) else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[OneRing]:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    before, ring = keyring.get_keyring(), OneRing()  # type: ignore[no-untyped-call]
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


class Userdata(types.ModuleType):
    """Colab's module of secrets."""

    holds: str | None = None

    def get(self, name: str) -> str:
        if self.holds is None:
            raise KeyError(name)
        return self.holds


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> Userdata:
    userdata = Userdata("google.colab.userdata")
    package = types.ModuleType("google.colab")
    package.userdata = userdata  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    return userdata


def test_the_first_place_that_has_a_key_is_taken(
    nothing_set: OneRing, colab: Userdata, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_set.holds, colab.holds = "of the ring", "of Colab"
    monkeypatch.setenv(KEY_VARIABLE, " of the environment\n")
    sources = [
        ("of the argument", "the argument"),
        ("of the environment", "environment's LIVEAVATAR_API_KEY"),
        ("of Colab", "Colab's secrets"),
        ("of the ring", "keyring"),
    ]
    given: str | None = "of the argument"
    for index, (key, source) in enumerate(sources):
        found = find_key(given)
        assert (found.reveal(), source in found.source) == (key, True)
        assert key not in repr(found)
        given = [None, "", None, None][index]
        if index == 1:
            monkeypatch.setenv(KEY_VARIABLE, " ")
        if index == 2:
            colab.holds = None
    nothing_set.holds = None
    with pytest.raises(ConfigurationError) as caught:
        find_key(None)
    for word in (KEY_VARIABLE, "Colab", f"keyring set {KEYRING_SERVICE}", "LiveAvatar.demo()"):
        assert word in str(caught.value)


def test_a_place_that_fails_gives_way_to_the_next(nothing_set: OneRing, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*told: object) -> None:
        raise RuntimeError("the keyring is locked")

    monkeypatch.setattr(OneRing, "get_password", locked)
    with pytest.raises(ConfigurationError):
        find_key(None)


def test_without_the_package_keyring_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError):
        find_key(None)


def test_an_error_says_which_source_the_key_came_from(nothing_set: OneRing) -> None:
    nothing_set.holds = "of-the-ring"
    with LiveAvatar(api_url="http://127.0.0.1:9") as la:
        assert "key from the keyring" in repr(la)


def test_a_masked_key_is_taken_as_it_is() -> None:
    key = Masked("k", "from a vault")
    assert find_key(key) is key


@pytest.mark.parametrize("wrong", [3, ["key"], {"key": 1}])
def test_a_key_that_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="must be text"):
        find_key(wrong)  # type: ignore[arg-type]


def test_the_order_is_what_the_docstring_says() -> None:
    assert [source.rpartition(" ")[2] for source, _ in KEY_SOURCES] == [KEY_VARIABLE, "secrets", "keyring", "prompt"]


ASK = "from liveavatar_nb import LiveAvatar; la = LiveAvatar(api_url='http://127.0.0.1:9'); print(la); la.close()"


@pytest.mark.parametrize("somebody", [True, False])
def test_a_kernel_asks_only_where_its_front_end_takes_input(somebody: bool) -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=ANSWER_LIMIT)
        client.allow_stdin = somebody
        asked: list[str] = []

        def answer(message: dict[str, dict[str, str]]) -> None:
            asked.append(message["content"]["prompt"])
            client.input("typed-5f1c")

        printed: list[str] = []

        def note(message: dict[str, dict[str, str]]) -> None:
            printed.append(str(message["content"]))

        client.execute_interactive(ASK, allow_stdin=somebody, stdin_hook=answer, output_hook=note, timeout=ANSWER_LIMIT)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        if manager.context is not None:
            manager.context.destroy()
    told = "".join(printed)
    assert "typed-5f1c" not in told
    if somebody:
        assert asked == [f"{KEY_VARIABLE}: "]
        assert "key from the prompt" in told
    else:
        assert not asked
        assert "No API key found" in told


def test_a_prompt_in_a_terminal_asks_and_shows_nothing_of_the_answer() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "TERM": "dumb"}
    shell = subprocess.Popen([sys.executable, "-i", "-q"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        seen = talk(ours, ">>> ", f"{ASK}\n")
        seen += talk(ours, f"{KEY_VARIABLE}: ", "typed-5f1c\n")
        seen += talk(ours, ">>> ", "exit()\n", again=True)
        shell.wait(ANSWER_LIMIT)
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    assert "key from the prompt" in seen
    assert "typed-5f1c" not in seen


def talk(terminal: int, wait_for: str, say: str, *, again: bool = False) -> str:
    """Reads until the terminal shows something, then types."""
    seen = ""
    deadline = time.monotonic() + ANSWER_LIMIT
    while wait_for not in seen.removeprefix(wait_for if again else ""):
        assert time.monotonic() < deadline, f"the terminal never showed {wait_for!r}, but {seen!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096).decode()
    os.write(terminal, say.encode())
    return seen


def test_nobody_is_asked_by_a_program(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert "No API key found" in done.stderr


@pytest.mark.parametrize("address", ["https://user:canary@example.org", "https://canary@example.org/v1"])
def test_an_address_with_a_password_is_refused_unseen(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_base(address)
    assert "canary" not in str(caught.value)


def test_a_key_in_the_clear_is_warned_of() -> None:
    with pytest.warns(LiveAvatarWarning, match=r"sent to example\.org unencrypted") as caught:
        LiveAvatar("key", api_url="http://example.org").close()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", [None, "", "127.evil.example", "localhost.example", "10.0.0.1"])
def test_no_other_is_taken_for_this_machine(host: str | None) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:none", "http://127.0.0.1:99999", "http://h#x", "http://exa mple.com", "https://\x00"]
)
def test_an_address_that_none_can_be_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="not a valid URL"):
        find_base(address)
