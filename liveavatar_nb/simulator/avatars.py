"""The avatars of the simulated account and of the public gallery."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

from .looks import FEATURED, Look, any_look

SANDBOX_AVATAR: Final = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
NAMESPACE: Final = uuid.UUID("2f6c2b53-6a0e-4c39-9a0e-7c1f4b0d5e11")
CREATED_AT: Final = "2026-03-02T09:00:00Z"
SPACE: Final = "simulator"

Status = Literal["ACTIVE", "INIT", "DEPLOYING", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Avatar:
    """One avatar as the service tells of it, and the look that its picture is drawn from."""

    id: str
    name: str
    look: Look
    mine: bool = False
    type: Literal["VIDEO", "IMAGE"] = "VIDEO"
    status: Status = "ACTIVE"
    error_message: str | None = None

    def to_json(self, base_url: str) -> dict[str, Any]:
        voice = {"id": _id(f"voice of {self.name}"), "name": f"{self.name.split()[0]}'s voice"}
        return {
            "id": self.id,
            "space_id": SPACE if self.mine else None,
            "type": self.type,
            "status": self.status,
            "name": self.name,
            "preview_url": f"{base_url}/pictures/{self.id}.svg",
            "is_expired": False,
            "default_voice": voice if self.type == "VIDEO" else None,
            "is_1080p": self.type == "VIDEO",
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "error_message": self.error_message,
        }


class Catalogue:
    """All avatars, by id and in the order of the lists."""

    def __init__(self, public: int | None) -> None:
        self.public = _public(public)
        self.mine = _mine()
        self._by_id = {avatar.id: avatar for avatar in (*self.mine, *self.public)}

    def get(self, avatar_id: str) -> Avatar | None:
        return self._by_id.get(avatar_id.lower())


def _id(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def _drawn(name: str) -> Avatar:
    return Avatar(
        id=SANDBOX_AVATAR if name == "Wayne" else _id(name),
        name=name,
        look=FEATURED[name],
        status="DEPLOYING" if name == "Thaddeus" else "ACTIVE",
    )


def _public(count: int | None) -> tuple[Avatar, ...]:
    drawn = [_drawn(name) for name in PUBLIC]
    if count is None:
        return tuple(drawn)
    if count < len(drawn):
        # the sandbox has one avatar: a gallery without it could not use the sandbox
        drawn.sort(key=lambda avatar: avatar.id != SANDBOX_AVATAR)
    made = [_made(number) for number in range(count - len(drawn))]
    return (*drawn[:count], *made)


def _made(number: int) -> Avatar:
    names, roles = len(FIRST_NAMES), len(ROLES)
    turn = number // names
    first = FIRST_NAMES[number % names]
    # each turn through the names shifts the roles by eleven, which has no divisor in common with their number
    name = f"{first} {ROLES[(number + turn) % roles]}"
    if turn >= roles:
        name = f"{name} {turn // roles + 1}"
    return Avatar(id=_id(name), name=name, look=any_look(name, soft=first in SOFT_NAMES))


def _mine() -> tuple[Avatar, ...]:
    return (
        Avatar(id=_id("mine: Elena"), name="Elena", look=FEATURED["Elena"], mine=True),
        Avatar(id=_id("mine: Noor"), name="Noor (from a photo)", look=FEATURED["Noor"], mine=True, type="IMAGE"),
        Avatar(
            id=_id("mine: Jonas"),
            name="Jonas",
            look=FEATURED["Jonas"],
            mine=True,
            status="FAILED",
            error_message="The training video is too short: it needs at least two minutes.",
        ),
    )


PUBLIC: Final = (
    "Silas",
    "Ann",
    "June",
    "Wayne",
    "Dexter",
    "Marianne",
    "Rika",
    "Bryan",
    "Thaddeus",
    "Amina",
    "Mateo",
    "Ingrid",
    "Kenji",
    "Priya",
    "Oscar",
    "Grace",
)
FIRST_NAMES: Final = (
    "Ada",
    "Anton",
    "Alba",
    "Ben",
    "Astrid",
    "Carlos",
    "Bianca",
    "Chidi",
    "Clara",
    "David",
    "Dana",
    "Diego",
    "Edith",
    "Emil",
    "Elif",
    "Felix",
    "Fatima",
    "Gabriel",
    "Fiona",
    "Hugo",
    "Hana",
    "Jasper",
    "Imani",
    "Kofi",
    "Iris",
    "Leon",
    "Lara",
    "Malik",
    "Lucia",
    "Milan",
    "Maya",
    "Niko",
    "Mei",
    "Omar",
    "Nadia",
    "Paul",
    "Olga",
    "Rafael",
    "Rosa",
    "Sami",
    "Selma",
    "Tariq",
    "Tessa",
    "Tom",
    "Uma",
    "Victor",
    "Wanda",
    "William",
    "Yara",
    "Yusuf",
)
SOFT_NAMES: Final = frozenset(FIRST_NAMES[::2])
ROLES: Final = (
    "at the Desk",
    "Teaching",
    "Sitting",
    "in the Office",
    "on Stage",
    "in the Lab",
    "Standing",
    "at Home",
    "Outdoors",
    "in the Studio",
    "Presenting",
    "at the Counter",
    "Coaching",
    "in the Library",
    "on Air",
    "in the Workshop",
    "Hosting",
    "at the Clinic",
    "in the Kitchen",
    "Travelling",
)
