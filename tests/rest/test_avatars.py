"""An avatar from a photo: sent once, read off the loop, and waited for until it can be used."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, LiveAvatarAPI, Simulator, config
from liveavatar_nb.errors import APIStatusError, AvatarNotReady, NotFoundError
from liveavatar_nb.models.avatars import Avatar

from ..photos import PHOTO


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "AVATAR_LOOK", 0.01)


def test_it_is_made_and_waited_for(la: LiveAvatar, simulator: Simulator) -> None:
    made = la.api.avatars.create_from_image(file=PHOTO)
    assert (made.type, made.status, made.is_1080p, made.is_usable) == ("IMAGE", "INIT", False, False)
    seen: list[Avatar] = []

    def follow(avatar: Avatar) -> None:
        seen.append(avatar)
        simulator.advance(60)

    ready = la.api.avatars.wait_until_active(made, on_progress=follow)
    assert ready.is_usable
    assert [(avatar.id, avatar.status) for avatar in seen] == [(made.id, "INIT"), (made.id, "ACTIVE")]
    assert la.api.avatars.wait_until_active(made.id) == ready


def test_one_that_failed_says_why(la: LiveAvatar) -> None:
    jonas = la.avatars("mine")["Jonas"]
    with pytest.raises(AvatarNotReady, match="Jonas could not be made: The training video is too short") as caught:
        la.api.avatars.wait_until_active(jonas)
    assert caught.value.avatar_id == jonas.id


def test_one_that_takes_too_long_is_given_up_by_its_id(la: LiveAvatar) -> None:
    made = la.api.avatars.create_from_image(PHOTO)
    with pytest.raises(AvatarNotReady, match=r"is still INIT after 0.05 s\. Wait for it again later") as caught:
        la.api.avatars.wait_until_active(made, limit=0.05)
    assert caught.value.avatar_id == made.id


def test_one_that_is_deleted_meanwhile_is_not_found(la: LiveAvatar) -> None:
    made = la.api.avatars.create_from_image(PHOTO)
    with pytest.raises(NotFoundError):
        la.api.avatars.wait_until_active(made, on_progress=lambda avatar: simulated_delete(la, avatar))


def simulated_delete(la: LiveAvatar, avatar: Avatar) -> None:
    la.api.avatars.delete(avatar.id)


async def test_a_slow_disk_holds_up_no_loop(simulator: Simulator) -> None:
    is_open = threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert is_open.wait(10)
            return super().read(size)

    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        making = asyncio.create_task(api.avatars.create_from_image(Slow(PHOTO)))
        assert await api.avatars.list()
        assert not making.done()
        is_open.set()
        assert (await making).status == "INIT"


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "drop_after"}])
def test_it_is_never_sent_twice(la: LiveAvatar, simulator: Simulator, fault: dict[str, Any]) -> None:
    simulator.faults.add("post_v1_alpha_avatars_image", **fault)
    with pytest.raises(Exception, match="avatars/image"):
        la.api.avatars.create_from_image(PHOTO)
    assert [sent["path"] for sent in simulator.requests()] == ["/v1-alpha/avatars/image"]


def test_what_the_service_says_of_a_photo_is_the_error(la: LiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("avatars", "status", status=400, message="The image must show exactly one person")
    with pytest.raises(APIStatusError, match="The image must show exactly one person"):
        la.api.avatars.create_from_image(PHOTO)
