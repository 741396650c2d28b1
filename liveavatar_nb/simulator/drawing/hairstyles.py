"""Hairstyles in three layers, from back to front: behind the person, beside the face, and over the shoulders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .colours import darker, lighter
from .looks import Hair, Look


@dataclass(frozen=True, slots=True)
class Style:
    """The SVG of a hairstyle's three layers."""

    behind: str = ""
    front: str = ""
    over: str = ""


def style(look: Look) -> Style:
    """Return the layers of an avatar's hair."""
    return STYLES[look.hair](look)


def _hair(path: str) -> str:
    return f"<path d='{path}' fill='url(#hair)'/>"


def _back(path: str) -> str:
    return f"<path d='{path}' fill='url(#back)'/>"


def _strands(look: Look, *paths: str) -> str:
    light = lighter(look.hair_colour, 0.24)
    return "".join(
        f"<path d='{path}' fill='none' stroke='{light}' stroke-width='4' stroke-linecap='round' opacity='.5'/>"
        for path in paths
    )


def _short(look: Look) -> Style:
    return Style(
        front=_hair(
            "M-117 300C-134 190-106 116-8 112C92 106 138 176 117 300C112 276 108 254 98 236C62 232 2 224-34 196"
            "C-52 220-84 238-99 242C-108 258-113 276-117 300Z"
        )
        + _strands(look, "M-30 140C20 128 72 150 92 196")
    )


def _crop(look: Look) -> Style:
    shade = darker(look.hair_colour, 0.1)
    return Style(
        front=(
            f"<path d='M-114 292C-122 186-82 128 0 128S122 186 114 292C108 262 104 242 94 222C64 202 30 196 0 196"
            f"S-64 202-94 222C-104 242-108 262-114 292Z' fill='{shade}' opacity='.94'/>"
        )
    )


def _quiff(look: Look) -> Style:
    return Style(
        front=_hair(
            "M-116 298C-130 214-118 158-84 138C-66 100-2 84 56 96C112 106 138 160 126 214C124 250 120 274 116 298"
            "C112 270 106 252 98 238C90 208 78 196 62 190C18 206-44 196-78 184C-96 206-100 226-100 240"
            "C-108 258-112 276-116 298Z"
        )
        + _strands(look, "M-66 152C-30 122 30 114 76 136", "M-40 172C0 154 50 152 90 172")
    )


def _bald(look: Look) -> Style:
    return Style(
        front=f"<ellipse cx='-34' cy='190' rx='38' ry='16' fill='{lighter(look.skin, 0.35)}' opacity='.4' "
        "transform='rotate(-24 -34 190)'/>"
    )


def _bob(look: Look) -> Style:
    return Style(
        behind=_back(
            "M-146 250C-150 130-84 92 0 92S150 130 146 250C152 330 156 400 142 452C112 474 70 470 40 456"
            "H-40C-70 470-112 474-142 452C-156 400-152 330-146 250Z"
        ),
        front=_hair(
            "M-30 118C70 92 138 150 140 262C142 330 146 396 134 440C118 444 104 438 96 424C112 372 114 320 104 268"
            "C92 216 40 204-30 170C-56 206-96 220-104 268C-114 320-112 372-96 424C-104 438-118 444-134 440"
            "C-146 396-142 330-140 262C-138 170-96 122-30 118Z"
        )
        + _strands(look, "M-18 134C50 126 104 166 118 244", "M-46 146C-90 166-116 206-120 256"),
    )


def _long(look: Look) -> Style:
    return Style(
        behind=_back(
            "M-138 240C-144 130-84 94 0 94S144 130 138 240C150 360 176 480 168 610C120 640 70 600 50 520H-50"
            "C-70 600-120 640-168 610C-176 480-150 360-138 240Z"
        ),
        front=_hair(
            "M0 132C-8 122-2 112 6 112C96 110 138 168 136 270C136 340 142 400 138 452C122 420 112 372 108 316"
            "C106 244 60 190 0 156C-60 190-106 244-108 316C-112 372-122 420-138 452C-142 400-136 340-136 270"
            "C-138 168-96 110-6 112C0 112 4 122 0 132Z"
        )
        + _strands(look, "M22 138C76 150 112 196 120 260", "M-22 138C-76 150-112 196-120 260"),
    )


def _waves(look: Look) -> Style:
    return Style(
        behind=_back(
            "M-142 240C-146 128-84 92 0 92S146 128 142 240C176 290 158 330 172 376C190 430 160 460 168 506"
            "C160 560 110 556 60 530H-60C-110 556-160 560-168 506C-160 460-190 430-172 376"
            "C-158 330-176 290-142 240Z"
        ),
        front=_hair(
            "M36 116C112 112 144 176 140 264C140 310 162 336 158 384C156 420 146 436 150 470C128 446 128 414 122 384"
            "C114 346 114 322 106 276C98 226 70 194 36 164C4 210-78 214-104 276C-114 322-114 346-122 384"
            "C-128 414-128 446-150 470C-146 436-156 420-158 384C-162 336-140 310-140 264C-144 160-80 100 36 116Z"
        )
        + _strands(look, "M30 136C-30 122-96 150-118 226", "M58 140C96 160 118 204 122 256"),
    )


def _puffs(points: tuple[tuple[int, int, int], ...], paint: str) -> str:
    return "".join(f"<circle cx='{x}' cy='{y}' r='{r}' fill='{paint}'/>" for x, y, r in points)


def _curls(look: Look) -> Style:
    light = lighter(look.hair_colour, 0.12)
    return Style(
        behind=_puffs(((-104, 228, 36), (104, 228, 36)), darker(look.hair_colour, 0.15)),
        front=_puffs(
            (
                (-98, 206, 32),
                (98, 206, 32),
                (-86, 164, 38),
                (86, 164, 38),
                (-46, 136, 42),
                (46, 134, 42),
                (0, 124, 44),
                (-24, 172, 34),
                (28, 170, 34),
                (-64, 190, 28),
                (66, 190, 28),
                (2, 184, 24),
            ),
            look.hair_colour,
        )
        + _puffs(((-52, 126, 16), (6, 110, 17), (58, 128, 15), (-88, 160, 13), (32, 158, 12), (-20, 158, 12)), light),
    )


def _afro(look: Look) -> Style:
    return Style(
        behind=_puffs(((0, 190, 178), (-116, 262, 86), (116, 262, 86)), "url(#back)"),
        front=_hair(
            "M-112 300C-136 200-96 128 0 128S136 200 112 300C110 256 94 218 66 200C30 184-30 184-66 200"
            "C-94 218-110 256-112 300Z"
        ),
    )


def _bun(look: Look) -> Style:
    return Style(
        behind=_puffs(((0, 96, 62),), "url(#back)") + _puffs(((-10, 86, 40),), look.hair_colour),
        front=_hair(
            "M-116 306C-134 196-96 122 0 122S134 196 116 306C112 262 92 216 34 176C-6 214-88 228-100 262"
            "C-108 276-112 290-116 306Z"
        )
        + _strands(look, "M40 152C84 168 106 204 112 250", "M24 150C-34 160-88 188-106 236"),
    )


def _braid(look: Look) -> Style:
    lobes = "".join(
        f"<ellipse cx='{x}' cy='{y}' rx='{rx}' ry='27' fill='url(#hair)' transform='rotate({turn} {x} {y})'/>"
        for x, y, rx, turn in (
            (124, 424, 34, 24),
            (136, 464, 33, -20),
            (130, 504, 31, 20),
            (138, 544, 29, -18),
            (132, 582, 26, 16),
            (138, 616, 22, -14),
        )
    )
    tail = _hair("M124 648C128 676 120 690 126 706C136 712 146 708 150 696C150 680 154 664 148 648Z")
    band = f"<rect x='118' y='630' width='38' height='20' rx='9' fill='{darker(look.top, 0.2)}'/>"
    return Style(
        behind=_back(
            "M-128 250C-134 132-84 100 0 100S134 132 128 250C138 320 152 380 150 440L96 436-90 420"
            "C-124 400-130 320-128 250Z"
        ),
        front=_hair(
            "M-118 322C-136 196-96 118 0 118S136 196 122 330C126 380 124 410 112 432C108 380 112 330 102 280"
            "C94 230 40 204-36 170C-48 214-88 232-102 272C-110 290-114 306-118 322Z"
        )
        + _strands(look, "M-30 142C40 134 92 170 110 236", "M-52 150C-90 172-110 206-112 250"),
        over=lobes + tail + band,
    )


def _scarf(look: Look) -> Style:
    deep, light = darker(look.top, 0.24), lighter(look.top, 0.2)
    cloth = lighter(look.top, 0.08)
    return Style(
        behind=(
            f"<path d='M-150 280C-156 140-90 92 0 92S156 140 150 280C156 400 190 480 196 560H-196"
            f"C-190 480-156 400-150 280Z' fill='{deep}'/>"
        ),
        front=(
            "<path d='M0 96C-92 96-148 150-146 276C-146 370-128 450-90 500H90"
            "C128 450 146 370 146 276C148 150 92 96 0 96Z"
            "M0 174C68 174 103 218 104 288C104 372 88 436 54 462C34 478-34 478-54 462C-88 436-104 372-104 288"
            "C-103 218-68 174 0 174Z' "
            f"fill='{cloth}' fill-rule='evenodd'/>"
            f"<path d='M-60 122C-110 160-124 230-120 310M64 120C112 162 124 232 122 316' fill='none' stroke='{light}' "
            "stroke-width='5' stroke-linecap='round' opacity='.55'/>"
        ),
        over=(
            f"<path d='M-118 444C-66 512 66 512 118 444C152 500 186 540 178 580C100 640-90 650-182 584"
            f"C-184 540-150 500-112 452Z' fill='{cloth}'/>"
            f"<path d='M-104 474C-50 546 70 550 150 520M-140 520C-70 600 70 610 164 566' fill='none' stroke='{deep}' "
            "stroke-width='5' stroke-linecap='round' opacity='.6'/>"
        ),
    )


STYLES: Final[dict[Hair, Callable[[Look], Style]]] = {
    "short": _short,
    "crop": _crop,
    "quiff": _quiff,
    "bald": _bald,
    "bob": _bob,
    "long": _long,
    "waves": _waves,
    "curls": _curls,
    "afro": _afro,
    "bun": _bun,
    "braid": _braid,
    "scarf": _scarf,
}
