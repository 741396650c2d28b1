"""The looks of the gallery's avatars: a few traits each, drawn by `pictures`."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Hair = Literal["short", "crop", "quiff", "bald", "bob", "long", "waves", "curls", "afro", "bun", "braid", "scarf"]
Clothes = Literal["blazer", "crew", "shirt", "turtleneck", "vneck", "hoodie"]
Beard = Literal["none", "stubble", "full", "moustache"]
Mouth = Literal["smile", "laugh"]

SKINS: Final = ("#f6d7c3", "#f2c6a8", "#e5ae88", "#cf9368", "#a9704a", "#8a563a", "#6b4230")
HAIRS: Final = ("#16130f", "#2b1d16", "#4a2e1f", "#6e4527", "#9a6232", "#c79a5b", "#a23f22", "#8f8d8c", "#d9d6d2")
TOPS: Final = (
    "#3b4cca",
    "#0f766e",
    "#b8336a",
    "#334155",
    "#0b6fa8",
    "#6d3fc0",
    "#b4560f",
    "#1f6f43",
    "#8c2f39",
    "#26384f",
)
BACKDROPS: Final = (
    ("#dfe6ff", "#aab9f4"),
    ("#d5f1ec", "#93d3c8"),
    ("#fde4ec", "#f0b2c8"),
    ("#e6eaf1", "#b6c2d3"),
    ("#dbeefb", "#9dcbed"),
    ("#ebe4fd", "#c0adf1"),
    ("#fdecd6", "#f2c48f"),
    ("#dff3e4", "#a2d6b1"),
    ("#f3e6dc", "#dab79c"),
    ("#e9ecef", "#bfc7cf"),
)
CHROMA: Final = ("#00b140", "#00b140")  # plain green, for chroma keying
EYES: Final = ("#4a2d1b", "#2f2119", "#5d7a8c", "#58724a", "#3f5f86", "#7a5a30")
# the fraction of generated avatars that wear glasses, and the fraction of soft-looking ones that wear earrings
GLASSES, EARRINGS = 0.22, 0.4
SHORT: Final[tuple[Hair, ...]] = ("short", "crop", "quiff", "bald", "curls")
LONG: Final[tuple[Hair, ...]] = ("bob", "long", "waves", "bun", "braid", "afro", "curls", "scarf")
LONG_WEIGHTS: Final = (4, 4, 4, 3, 3, 3, 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The traits of one avatar; colours are ``#rrggbb``, and `width` scales the face."""

    skin: str
    hair: Hair
    hair_colour: str
    clothes: Clothes
    top: str
    backdrop: tuple[str, str]
    eyes: str = EYES[0]
    mouth: Mouth = "smile"
    beard: Beard = "none"
    glasses: bool = False
    earrings: bool = False
    soft: bool = False  # whether to draw fuller lips, longer lashes and a finer jaw
    width: float = 1.0


def _look(  # noqa: PLR0917 (a row of the table below)
    skin: int,
    hair: Hair,
    colour: int,
    clothes: Clothes,
    top: int,
    backdrop: int,
    eyes: int = 0,
    *,
    mouth: Mouth = "smile",
    beard: Beard = "none",
    glasses: bool = False,
    earrings: bool = False,
    soft: bool = False,
    width: float = 1.0,
) -> Look:
    return Look(
        skin=SKINS[skin],
        hair=hair,
        hair_colour=HAIRS[colour],
        clothes=clothes,
        top=TOPS[top],
        backdrop=BACKDROPS[backdrop],
        eyes=EYES[eyes],
        mouth=mouth,
        beard=beard,
        glasses=glasses,
        earrings=earrings,
        soft=soft,
        width=width,
    )


FEATURED: Final[Mapping[str, Look]] = {
    "Silas": _look(1, "quiff", 1, "blazer", 0, 0, 4, mouth="laugh"),
    "Ann": _look(0, "bob", 3, "vneck", 1, 1, 3, soft=True, mouth="laugh", earrings=True),
    "June": _look(3, "waves", 0, "blazer", 2, 2, 0, soft=True),
    "Wayne": _look(1, "short", 5, "shirt", 4, 3, 2, beard="stubble"),
    "Dexter": _look(5, "crop", 0, "crew", 9, 4, 1, mouth="laugh", beard="full"),
    "Marianne": _look(0, "bun", 7, "turtleneck", 5, 5, 2, soft=True, glasses=True),
    "Rika": _look(1, "long", 0, "crew", 6, 6, 1, soft=True, mouth="laugh"),
    "Bryan": _look(2, "curls", 2, "hoodie", 7, 7, 5),
    "Thaddeus": _look(4, "bald", 1, "blazer", 3, 9, 1, beard="full", glasses=True, width=1.03),
    "Amina": _look(4, "scarf", 0, "blazer", 8, 8, 0, soft=True, mouth="laugh"),
    "Mateo": _look(3, "short", 1, "vneck", 3, 1, 0, beard="moustache", mouth="laugh"),
    "Ingrid": _look(0, "braid", 5, "crew", 4, 4, 4, soft=True),
    "Kenji": _look(1, "quiff", 0, "turtleneck", 9, 3, 1, glasses=True),
    "Priya": _look(4, "long", 0, "blazer", 1, 6, 0, soft=True, earrings=True, mouth="laugh"),
    "Oscar": _look(1, "short", 8, "shirt", 9, 5, 4, beard="full", glasses=True, width=1.03),
    "Grace": _look(6, "afro", 0, "vneck", 6, 7, 1, soft=True, earrings=True, mouth="laugh"),
    "Elena": _look(2, "waves", 2, "blazer", 9, 0, 3, soft=True, mouth="laugh"),
    "Noor": _look(3, "bob", 0, "turtleneck", 8, 2, 0, soft=True, earrings=True),
    "Jonas": _look(1, "crop", 6, "crew", 1, 9, 3, beard="stubble"),
}


def any_look(name: str, *, soft: bool) -> Look:
    """Return a random look whose traits go together; the same name always gives the same look."""
    rng = random.Random(name)  # noqa: S311 (faces, not secrets)
    skin = rng.choices(range(len(SKINS)), (2, 3, 3, 3, 3, 2, 2))[0]
    hair: Hair = rng.choices(LONG, LONG_WEIGHTS)[0] if soft else rng.choice(SHORT)
    if hair == "afro" and skin < 3:
        hair = "waves"
    colour = rng.choice((0, 1, 2, 7) if skin > 2 else range(len(HAIRS)))
    return _look(
        skin,
        hair,
        colour,
        rng.choice(get_args(Clothes)),
        rng.randrange(len(TOPS)),
        rng.randrange(len(BACKDROPS)),
        rng.choice((0, 1, 5) if skin > 2 else range(len(EYES))),
        mouth=rng.choice(get_args(Mouth)),
        beard="none" if soft else rng.choice(get_args(Beard)),
        glasses=rng.random() < GLASSES,
        earrings=soft and rng.random() < EARRINGS,
        soft=soft,
        width=rng.uniform(0.97, 1.04),
    )
