"""The avatars of the simulated account and of the public gallery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from ..clock import moment
from ..drawing.looks import CHROMA, FEATURED, Look, any_look
from .identity import CREATED_AT, identifier
from .voices import Voice, public_voice

SANDBOX_AVATAR: Final = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
SPACE: Final = "simulator"
# ids that other vendors' examples use: LiveAvatar's starter kit and pipecat
KNOWN_IDS: Final = {
    "Wayne": SANDBOX_AVATAR,
    "June": "65f9e3c9-d48b-4118-b73a-4ae2e3cbb8f0",
    "Ann": "1c690fe7-23e0-49f9-bfba-14344450285b",
}

Status = Literal["ACTIVE", "INIT", "DEPLOYING", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Avatar:
    """An avatar as the service describes it, together with the look from which its picture is drawn."""

    id: str
    name: str
    look: Look
    mine: bool = False
    type: Literal["VIDEO", "IMAGE"] = "VIDEO"
    status: Status = "ACTIVE"
    error_message: str | None = None
    voice_id: str | None = None
    is_1080p: bool = True
    ready_at: int | None = None  # the simulated time at which a new avatar becomes ACTIVE, in microseconds
    created_at: str = CREATED_AT
    updated_at: str = CREATED_AT

    def to_json(self, base_url: str, voice: Voice | None) -> dict[str, Any]:
        """Return the avatar as the API lists it; `voice` is its default voice."""
        return {
            "id": self.id,
            "space_id": SPACE if self.mine else None,
            "type": self.type,
            "status": self.status,
            "name": self.name,
            "preview_url": f"{base_url}/pictures/{self.id}.svg",
            "is_expired": False,
            "default_voice": None if voice is None else {"id": voice.id, "name": voice.name},
            "is_1080p": self.is_1080p,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "error_message": self.error_message,
        }


class Catalogue:
    """All avatars, which can be listed or looked up by id.

    Args:
        public: How many public avatars to offer; None for only the featured ones.
    """

    def __init__(self, public: int | None) -> None:
        self.public = _public(public)
        self._public = {avatar.id: avatar for avatar in self.public}
        self._mine = {avatar.id: avatar for avatar in _mine()}

    @property
    def mine(self) -> tuple[Avatar, ...]:
        """The account's own avatars."""
        return tuple(self._mine.values())

    def get(self, avatar_id: str) -> Avatar | None:
        """Return the avatar with this id, ignoring case, or None."""
        return self._public.get(avatar_id.lower()) or self._mine.get(avatar_id.lower())

    def keep(self, avatar: Avatar) -> None:
        """Add one of the account's own avatars, or replace the one with the same id."""
        self._mine[avatar.id] = avatar

    def settle(self, now: int) -> None:
        """Make each new avatar ACTIVE that is ready at the simulated time `now`."""
        for avatar in self.mine:
            if avatar.ready_at is not None and avatar.ready_at <= now:
                self.keep(replace(avatar, status="ACTIVE", ready_at=None, updated_at=moment(avatar.ready_at)))

    def delete(self, avatar: Avatar) -> None:
        """Delete one of the account's own avatars."""
        del self._mine[avatar.id]


def avatar_id(name: str) -> str:
    """Return the id of the public avatar with this name."""
    return KNOWN_IDS.get(name) or identifier(name)


def _drawn(name: str) -> Avatar:
    return Avatar(
        id=avatar_id(name),
        name=name,
        look=FEATURED[name],
        voice_id=public_voice(PUBLIC[name]).id,
        status="DEPLOYING" if name == "Thaddeus" else "ACTIVE",
    )


def _public(count: int | None) -> tuple[Avatar, ...]:
    drawn = [_drawn(name) for name in PUBLIC]
    if count is None:
        return tuple(drawn)
    if count < len(drawn):
        # put the only avatar that sandbox sessions accept first, so that it is always kept
        drawn.sort(key=lambda avatar: avatar.id != SANDBOX_AVATAR)
    generated = [_generate(number) for number in range(count - len(drawn))]
    return (*drawn[:count], *generated)


def _generate(number: int) -> Avatar:
    names, roles = len(FIRST_NAMES), len(ROLES)
    round_number = number // names
    first = FIRST_NAMES[number % names]
    # each pass through the first names shifts the roles by 11 (coprime to the number of roles), so names never repeat
    name = f"{first} {ROLES[(number + round_number) % roles]}"
    if round_number >= roles:
        name = f"{name} {round_number // roles + 1}"
    soft = first in SOFT_NAMES
    voices = SOFT_VOICES if soft else FIRM_VOICES
    return Avatar(
        id=identifier(name),
        name=name,
        look=any_look(name, soft=soft),
        voice_id=public_voice(voices[number % len(voices)]).id,
    )


def _mine() -> tuple[Avatar, ...]:
    return (
        Avatar(
            id=identifier("mine: Elena"),
            name="Elena",
            look=FEATURED["Elena"],
            mine=True,
            voice_id=public_voice("Harriet").id,
        ),
        Avatar(
            id=identifier("mine: Noor"),
            name="Noor (from a photo)",
            look=FEATURED["Noor"],
            mine=True,
            type="IMAGE",
            is_1080p=False,
        ),
        Avatar(
            id=identifier("mine: Elena, green"),
            name="Elena (green screen)",
            look=replace(FEATURED["Elena"], backdrop=CHROMA),
            mine=True,
            voice_id=public_voice("Harriet").id,
        ),
        Avatar(
            id=identifier("mine: Jonas"),
            name="Jonas",
            look=FEATURED["Jonas"],
            mine=True,
            status="FAILED",
            voice_id=public_voice("Edwin").id,
            error_message="The training video is too short: it needs at least two minutes.",
        ),
    )


# the public avatars' names, each with the name of the avatar's voice
PUBLIC: Final = {
    "Silas": "Edwin",
    "Ann": "Clara",
    "June": "Harriet",
    "Wayne": "Miles",
    "Dexter": "Miles",
    "Marianne": "Harriet",
    "Rika": "Clara",
    "Bryan": "Edwin",
    "Thaddeus": "Edwin",
    "Amina": "Clara",
    "Mateo": "Rafael",
    "Ingrid": "Lotte",
    "Kenji": "Akira",
    "Priya": "Harriet",
    "Oscar": "Miles",
    "Grace": "Clara",
}
SOFT_VOICES: Final = ("Clara", "Harriet")
FIRM_VOICES: Final = ("Edwin", "Miles")
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
