"""The face's frames, the mouth that follows the sound, the ears, and what a room's token must say."""

from __future__ import annotations

import base64
import io
import itertools
import time
from dataclasses import replace
from typing import Any

import jwt
import numpy as np
import numpy.typing as npt
import pytest
import resvg_py
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from liveavatar_nb.simulator.account.avatars import Catalogue
from liveavatar_nb.simulator.drawing.looks import CHROMA, FEATURED
from liveavatar_nb.simulator.drawing.pictures import EYES_PART, HEIGHT, MOUTH_PART, MOUTHS, Part, draw
from liveavatar_nb.simulator.media.face import BETWEEN_BLINKS, BLINK, SIZES, Expression, opening, pictures
from liveavatar_nb.simulator.media.speech_detector import BEGINS_AFTER, ENDS_AFTER, SpeechDetector
from liveavatar_nb.simulator.media.tokens import Room, claims, lacking

PIECE = 0.02  # s
SILENCE = bytes(960)
SMEAR = 3  # pixels


def tone(decibels: float, samples: int = 480) -> bytes:
    """A sine whose power is so far below that of the loudest sound there is."""
    loudest = 32768 * 2**0.5 * 10 ** (decibels / 20)
    wave = np.clip(loudest * np.sin(np.arange(samples) * 0.2), -32768, 32767)
    return bytes(np.round(wave).astype("<i2").tobytes())


def differs(one: Image.Image, other: Image.Image) -> npt.NDArray[np.bool_]:
    """Where two pictures do."""
    first, second = (np.asarray(picture.convert("L")).astype(int) for picture in (one, other))
    return np.asarray(first != second)


def outside(changed: npt.NDArray[np.bool_], part: Part) -> bool:
    """Whether anything but that part of the picture changed, and what a change of size smears it over."""
    zoom = changed.shape[0] / HEIGHT
    left, top, width, height = part
    rows = slice(round(top * zoom) - SMEAR, round((top + height) * zoom) + SMEAR)
    columns = slice(round(left * zoom) - SMEAR, round((left + width) * zoom) + SMEAR)
    rest = changed.copy()
    rest[rows, columns] = False
    return bool(rest.any())


@pytest.mark.parametrize("quality", SIZES)
def test_what_a_face_can_express(quality: str) -> None:
    found = {expressed: picture.copy() for expressed, picture in pictures(FEATURED["Marianne"], quality)}
    assert set(found) == {(mouth, closed) for mouth in range(MOUTHS) for closed in (False, True)}
    assert {picture.size for picture in found.values()} == {SIZES[quality]}
    for mouth in range(1, MOUTHS):
        changed = differs(found[mouth, False], found[0, False])
        assert changed.any()
        assert not outside(changed, MOUTH_PART)
        blinked = differs(found[mouth, True], found[mouth, False])
        assert blinked.any()
        assert not outside(blinked, EYES_PART)
    openings = [differs(found[mouth, False], found[1, False]).sum() for mouth in range(1, MOUTHS)]
    assert openings == sorted(openings)


@pytest.mark.parametrize("name", FEATURED)
def test_all_that_moves_lies_in_its_part(name: str) -> None:
    """For every face: what is painted once is never what should have moved."""

    def painted(**moved: Any) -> Image.Image:
        png = resvg_py.svg_to_bytes(svg_string=draw(FEATURED[name], "", **moved), zoom=0.5, skip_system_fonts=True)
        return Image.open(io.BytesIO(png))

    rest = painted(mouth=0)
    for mouth in (1, MOUTHS - 1):
        assert not outside(differs(painted(mouth=mouth), rest), MOUTH_PART)
    assert not outside(differs(painted(mouth=0, eyes_closed=True), rest), EYES_PART)


def test_one_of_the_accounts_own_stands_before_a_plain_green() -> None:
    green = [avatar for avatar in Catalogue(None).mine if avatar.look.backdrop == CHROMA]
    assert [avatar.name for avatar in green] == ["Elena (green screen)"]
    picture = draw(green[0].look, "")
    assert "#00b140" in picture
    assert "backdrop)" not in picture


def test_who_laughs_in_the_gallery_smiles_at_rest() -> None:
    laughing = FEATURED["Silas"]
    assert laughing.mouth == "laugh"
    assert draw(laughing, "") != draw(laughing, "", mouth=0)
    assert draw(laughing, "", mouth=0) == draw(replace(laughing, mouth="smile"), "")


def test_pictures_by_their_address(caller: Any) -> None:
    address = f"/pictures/{caller.avatar('June')}.svg"
    told = {
        (mouth, eyes): caller.bare("GET", address, params={"mouth": mouth, "eyes": eyes}).text
        for mouth in range(MOUTHS)
        for eyes in ("open", "closed")
    }
    assert len(set(told.values())) == len(told)
    assert told[0, "open"] == caller.bare("GET", address).text
    for wrong in ({"mouth": MOUTHS}, {"mouth": "-1"}, {"mouth": ""}, {"mouth": "1.0"}, {"eyes": "shut"}):
        assert caller.bare("GET", address, params=wrong).status_code == 400


def test_the_louder_the_wider() -> None:
    assert [opening(tone(level)) for level in (-60, -40, -30, -22, -10)] == list(range(MOUTHS))
    assert opening(SILENCE) == opening(b"") == 0


def test_the_mouth_is_in_step_with_the_sound() -> None:
    face = Expression("x")
    face.speak(tone(-10), 1.0, 1.02)
    face.speak(SILENCE, 1.02, 1.04)
    face.speak(tone(-40), 1.04, 1.06)
    assert [face.at(now)[0] for now in (0.9, 1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 2.0)] == [
        0,
        4,
        4,
        0,
        0,
        1,
        1,
        0,
        0,
    ]


def test_a_hush_closes_it() -> None:
    face = Expression("x")
    for number in range(5):
        face.speak(tone(-10), 1 + number * PIECE, 1 + (number + 1) * PIECE)
    assert face.at(1.01)[0] == MOUTHS - 1
    face.hush()
    assert [face.at(now)[0] for now in (1.02, 1.06)] == [0, 0]


def test_it_blinks() -> None:
    face = Expression("x")
    closed = [face.at(now / 100)[1] for now in range(3000)]
    begins = [at for at in range(1, 3000) if closed[at] and not closed[at - 1]]
    lengths = [closed.index(False, at) - at for at in begins[:-1]]
    assert all(abs(length / 100 - BLINK) < 0.03 for length in lengths)
    gaps = [(later - sooner) / 100 - BLINK for sooner, later in itertools.pairwise(begins)]
    low, high = BETWEEN_BLINKS
    assert gaps
    assert all(low - 0.05 < gap < high + 0.05 for gap in gaps)


def heard(levels: list[float]) -> list[bool]:
    detector = SpeechDetector()
    told = (detector.hear(tone(level, 320), PIECE) for level in levels)
    return [one for one in told if one is not None]


def test_speech_begins_and_ends() -> None:
    loud, quiet = round(BEGINS_AFTER / PIECE), round(ENDS_AFTER / PIECE) + 1
    assert heard([-60] * 50) == []
    assert heard([-20] * (loud + 1)) == [True]
    assert heard([-60, -20, -60] * 20) == [], "clicks"
    word, pause = [-20] * 10, [-60] * (quiet // 2)
    assert heard([*word, *pause, *word, *pause, *word]) == [True], "pauses between words"
    assert heard([*word, *[-60] * quiet, *word]) == [True, False, True]


@given(st.lists(st.sampled_from([-70, -45, -39, -10]), max_size=300))
def test_it_begins_before_it_ends(levels: list[float]) -> None:
    told = heard(levels)
    assert told == [number % 2 == 0 for number in range(len(told))]


def test_a_microphone_that_goes_ends_speech() -> None:
    detector = SpeechDetector()
    assert detector.end() is None
    for _ in range(10):
        detector.hear(tone(-20), PIECE)
    assert detector.is_speaking
    assert (detector.end(), detector.end()) == (False, None)


GRANTS = {"roomJoin": True, "room": "r", "canPublish": True, "canSubscribe": True, "canPublishData": True}


def room(**changed: Any) -> Room:
    told = {"video": GRANTS, "sub": "x", "exp": time.time() + 60, **changed}
    return Room("wss://example.org", "r", jwt.encode(told, "k" * 32, "HS256"))


def test_a_token_that_will_do() -> None:
    assert lacking(room()) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"video": {**GRANTS, "canPublishData": None}}, "lacks can_publish_data"),
        ({"video": {**GRANTS, "canPublish": "yes"}}, "lacks can_publish"),
        ({"video": {"room": "r"}}, "lacks room_join and can_publish and can_subscribe and can_publish_data"),
        ({"video": []}, "lacks room_join"),
        ({"video": {**GRANTS, "room": ""}}, "for the room ''"),
        ({"video": {**GRANTS, "room": 5}}, "for the room '5'"),
        ({"exp": time.time() - 1}, "has expired"),
        ({"exp": 0}, "has no expiry time"),
    ],
)
def test_a_token_that_will_not(changed: dict[str, Any], why: str) -> None:
    assert why in str(lacking(room(**changed)))


@given(st.text())
def test_what_is_no_token(text: str) -> None:
    assert claims(text) is None
    told = lacking(Room("wss://example.org", "r", text))
    assert told == "livekit_client_token is not a LiveKit token"


@given(st.binary())
def test_a_token_of_anything(payload: bytes) -> None:
    text = f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.x"
    assert lacking(Room("wss://example.org", "r", text)) is not None
