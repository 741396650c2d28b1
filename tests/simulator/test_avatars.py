"""The gallery: its people, their pages and their pictures."""

from __future__ import annotations

import re
import uuid
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from liveavatar_nb.simulator.account.avatars import SANDBOX_AVATAR, Catalogue
from liveavatar_nb.simulator.drawing.looks import FEATURED, any_look
from liveavatar_nb.simulator.drawing.pictures import draw

SVG = "{http://www.w3.org/2000/svg}"
LOOKS = {
    **FEATURED,
    **{f"made up {number}": any_look(f"made up {number}", soft=number % 2 == 0) for number in range(60)},
}


def test_the_public_ones(caller: Any) -> None:
    avatars = caller.get("/v1/avatars/public", page_size=100)["results"]
    names = [avatar["name"] for avatar in avatars]
    assert names[:4] == ["Silas", "Ann", "June", "Wayne"]
    assert len(set(names)) == len(names) >= 12
    assert {avatar["id"] for avatar in avatars if avatar["name"] == "Wayne"} == {SANDBOX_AVATAR}
    assert {avatar["name"] for avatar in avatars if avatar["status"] != "ACTIVE"} == {"Thaddeus"}
    assert avatars[0] == caller.get(f"/v1/avatars/{avatars[0]['id']}")


def test_mine(caller: Any) -> None:
    mine = {avatar["name"]: avatar for avatar in caller.get("/v1/avatars")["results"]}
    failed, image = mine["Jonas"], mine["Noor (from a photo)"]
    assert (failed["status"], bool(failed["error_message"])) == ("FAILED", True)
    assert (image["type"], image["default_voice"], image["status"]) == ("IMAGE", None, "ACTIVE")
    assert caller.http.get("/v1/avatars/nobody").status_code == 404


@pytest.mark.parametrize("count", [1, 3, 16, 17, 1000, 1116])
def test_as_many_as_asked_for(count: int) -> None:
    public = Catalogue(count).public
    assert len(public) == count
    assert len({avatar.id for avatar in public}) == count
    assert len({avatar.name for avatar in public}) == count
    assert SANDBOX_AVATAR in {avatar.id for avatar in public}
    assert all(uuid.UUID(avatar.id) for avatar in public)
    assert Catalogue(count).public == public


def test_a_thousand_by_pages(calling: Any) -> None:
    caller = calling(avatars=250)
    pages = [caller.get("/v1/avatars/public", page=page, page_size=100) for page in (1, 2, 3)]
    assert [len(page["results"]) for page in pages] == [100, 100, 50]
    assert [page["next"] is None for page in pages] == [False, False, True]
    assert [page["previous"] is None for page in pages] == [True, False, False]
    assert len({avatar["id"] for page in pages for avatar in page["results"]}) == 250


def test_a_picture_by_its_address(caller: Any) -> None:
    for avatar in caller.get("/v1/avatars/public")["results"][:2]:
        response = caller.bare("GET", avatar["preview_url"])
        assert response.headers["Content-Type"].startswith("image/svg+xml")
        assert "script" not in response.headers["Content-Security-Policy"]
        assert f"<title>{avatar['name']}</title>" in response.text
    assert caller.bare("GET", "/pictures/nobody.svg").status_code == 404


@pytest.mark.parametrize("name", LOOKS)
def test_a_picture_is_plain_svg(name: str) -> None:
    drawn = draw(LOOKS[name], "<A & B>")
    root = ET.fromstring(drawn)
    assert root.get("viewBox") == "0 0 1280 720"
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == "<A & B>"
    assert drawn == draw(LOOKS[name], "<A & B>")
    elements = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert elements <= {
        "svg",
        "title",
        "defs",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "g",
        "path",
        "rect",
        "circle",
        "ellipse",
    }
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert set(re.findall(r"url\(#(\w+)\)", drawn)) <= ids, "it refers to what is not there"
    assert "href" not in drawn
    assert drawn.count("http") == 1


def test_no_two_of_the_drawn_ones_look_alike() -> None:
    assert len({draw(look, "") for look in FEATURED.values()}) == len(FEATURED)
