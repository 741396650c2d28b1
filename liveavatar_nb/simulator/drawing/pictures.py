"""Drawings of the gallery's avatars as SVG: 16:9, with the person centred so that a square crop also works.

The origin of the coordinates is the centre of the top edge; the picture is 720 units high.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from . import hairstyles
from .colours import darker, lighter, mix
from .looks import CHROMA, Look
from .wardrobe import clothes

HEAD: Final = (
    "M-110 280C-110 188-68 146 0 146S110 188 110 280C110 352 92 402 62 434"
    "C42 456 20 466 0 466S-42 456-62 434C-92 402-110 352-110 280Z"
)
SOFT_HEAD: Final = (
    "M-106 280C-106 188-66 146 0 146S106 188 106 280C106 348 86 398 54 434"
    "C36 455 16 464 0 464S-36 455-54 434C-86 398-106 348-106 280Z"
)

MOUTHS: Final = 5  # number of mouth shapes, from 0 (closed) to 4 (wide open)

WIDTH: Final = 1280
HEIGHT: Final = 720
Part = tuple[int, int, int, int]  # left, top, width, height
EVERYTHING: Final[Part] = (0, 0, WIDTH, HEIGHT)
# the parts that move; all coordinates are even, so that they are still whole numbers when scaled by 1.5
MOUTH_PART: Final[Part] = (576, 404, 128, 76)
EYES_PART: Final[Part] = (540, 268, 200, 76)


def draw(look: Look, name: str, *, mouth: int | None = None, eyes_closed: bool = False, part: Part = EVERYTHING) -> str:
    """Return the picture as SVG, titled with the avatar's name; the same arguments give the same SVG.

    Args:
        look: The traits to draw.
        name: The title.
        mouth: How far the mouth is open, 0 to `MOUTHS` - 1; None for the look's own smile or laugh.
        eyes_closed: Whether to draw the eyes closed.
        part: The rectangle of the picture to show, in pixels.
    """
    skin = look.skin
    paints = "".join(
        (
            _linear("backdrop", look.backdrop[0], look.backdrop[1], "x1='0' y1='0' x2='1' y2='1'"),
            _radial("glow", "#ffffff", ".75", "cx='.5' cy='.42' r='.5'"),
            _linear("skin", lighter(skin, 0.06), darker(skin, 0.07), "x1='.2' y1='0' x2='.8' y2='1'"),
            _linear(
                "hair", lighter(look.hair_colour, 0.13), darker(look.hair_colour, 0.12), "x1='.2' y1='0' x2='.8' y2='1'"
            ),
            _linear(
                "back", darker(look.hair_colour, 0.05), darker(look.hair_colour, 0.32), "x1='0' y1='0' x2='0' y2='1'"
            ),
            _linear("top", lighter(look.top, 0.1), darker(look.top, 0.16), "x1='.1' y1='0' x2='.8' y2='1'"),
            _radial("blush", mix(skin, "#d94f45", 0.5), ".42", "cx='.5' cy='.5' r='.5'"),
            f"<clipPath id='face'><path d='{SOFT_HEAD if look.soft else HEAD}'/></clipPath>",
            "<clipPath id='neck'><path d='M-50 400H50V540C30 580-30 580-50 540Z'/></clipPath>",
        )
    )
    style = hairstyles.style(look)
    left, top, width, height = part
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='{left} {top} {width} {height}' width='{width}' "
        f"height='{height}' role='img'>"
        f"<title>{escape(name)}</title><defs>{paints}</defs>{_backdrop(look)}"
        f"<g transform='translate(640 22)'>{style.behind}{_neck(look)}{clothes(look)}"
        f"<g transform='scale({look.width:.3f} 1)'>{_ears(look)}{_head(look)}{_beard(look)}"
        f"{_mouth(look, mouth)}{_closed_eyes(look) if eyes_closed else _eyes(look)}"
        f"{style.front}{_glasses(look)}</g>{style.over}</g></svg>"
    )


def _linear(name: str, start: str, end: str, where: str) -> str:
    return (
        f"<linearGradient id='{name}' {where}><stop stop-color='{start}'/>"
        f"<stop offset='1' stop-color='{end}'/></linearGradient>"
    )


def _radial(name: str, colour: str, opacity: str, where: str) -> str:
    return (
        f"<radialGradient id='{name}' {where}><stop stop-color='{colour}' stop-opacity='{opacity}'/>"
        f"<stop offset='1' stop-color='{colour}' stop-opacity='0'/></radialGradient>"
    )


def _backdrop(look: Look) -> str:
    if look.backdrop == CHROMA:
        return f"<rect width='1280' height='720' fill='{CHROMA[0]}'/>"
    discs = "".join(
        f"<circle cx='{x}' cy='{y}' r='{r}' fill='#fff' opacity='{opacity}'/>"
        for x, y, r, opacity in (
            (170, 150, 120, 0.16),
            (330, 560, 190, 0.1),
            (1110, 210, 150, 0.14),
            (1010, 600, 110, 0.12),
            (60, 470, 70, 0.14),
            (1230, 480, 80, 0.1),
        )
    )
    return (
        "<rect width='1280' height='720' fill='url(#backdrop)'/>"
        + discs
        + "<ellipse cx='640' cy='330' rx='520' ry='430' fill='url(#glow)'/>"
    )


def _neck(look: Look) -> str:
    shade = darker(look.skin, 0.2)
    return (
        "<path d='M-50 400V500C-54 530-84 544-120 556L0 640 120 556C84 544 54 530 50 500V400Z' fill='url(#skin)'/>"
        f"<ellipse cy='430' rx='92' ry='70' fill='{shade}' opacity='.55' clip-path='url(#neck)'/>"
    )


def _ears(look: Look) -> str:
    if look.hair == "scarf":
        return ""
    shade = darker(look.skin, 0.16)
    ear = (
        f"<g><ellipse cx='110' cy='312' rx='20' ry='31' fill='url(#skin)'/>"
        f"<path d='M112 296c9 3 9 24 0 32' fill='none' stroke='{shade}' stroke-width='4' stroke-linecap='round'/></g>"
    )
    ring = "<circle cx='113' cy='349' r='7' fill='#f3d17a' stroke='#c99b35' stroke-width='2'/>" if look.earrings else ""
    return f"{ear}{ring}<g transform='scale(-1 1)'>{ear}{ring}</g>"


def _head(look: Look) -> str:
    shade = darker(look.skin, 0.14)
    line = darker(look.skin, 0.26)
    blush = "<circle cx='66' cy='362' r='34' fill='url(#blush)'/>"
    return (
        f"<path d='{SOFT_HEAD if look.soft else HEAD}' fill='url(#skin)'/>"
        f"<path d='M120 150C96 240 104 390 30 470H140Z' fill='{shade}' opacity='.32' clip-path='url(#face)'/>"
        f"{blush}<g transform='scale(-1 1)'>{blush}</g>"
        f"<path d='M5 306C9 330 19 344 17 354C15 363 3 365-8 361' fill='none' stroke='{line}' "
        "stroke-width='4.5' stroke-linecap='round' stroke-linejoin='round'/>"
    )


def _eyes(look: Look) -> str:
    lid = _lid(look)
    lashes = f"<path d='M70 300l9-7' stroke='{lid}' stroke-width='4.5' stroke-linecap='round'/>" if look.soft else ""
    eye = (
        f"<path d='M26 305C34 289 62 288 72 303C62 317 36 318 26 305Z' fill='#fffdfa'/>"
        f"<circle cx='49' cy='302' r='12.5' fill='{look.eyes}'/><circle cx='49' cy='302' r='6.2' fill='#120d0b'/>"
        f"<path d='M25 306C33 288 63 287 73 303' fill='none' stroke='{lid}' stroke-width='5' stroke-linecap='round'/>"
        f"{lashes}<path d='M36 317C46 321 58 320 66 314' fill='none' stroke='{darker(look.skin, 0.2)}' "
        f"stroke-width='2.5' stroke-linecap='round'/>{_brow(look)}"
    )
    # the highlights are not mirrored, because the light comes from one side
    lights = "".join(f"<circle cx='{x}' cy='297' r='3.6' fill='#fff'/>" for x in (-53, 45))
    return f"{eye}<g transform='scale(-1 1)'>{eye}</g>{lights}"


def _closed_eyes(look: Look) -> str:
    """Return closed eyes, as in a blink."""
    lid = _lid(look)
    eye = (
        f"<path d='M26 303C34 317 62 318 72 303' fill='none' stroke='{lid}' stroke-width='5' stroke-linecap='round'/>"
        f"{_brow(look)}"
    )
    return f"{eye}<g transform='scale(-1 1)'>{eye}</g>"


def _lid(look: Look) -> str:
    return mix(darker(look.skin, 0.6), "#1c1412", 0.6)


def _brow(look: Look) -> str:
    dark = darker(look.hair_colour, 0.35) if look.hair_colour not in ("#8f8d8c", "#d9d6d2") else "#6d6a68"
    brow = "M22 268C38 255 62 254 80 265" if look.soft else "M20 267C38 256 62 255 82 266"
    return (
        f"<path d='{brow}' fill='none' stroke='{dark}' stroke-width='{7 if look.soft else 9}' stroke-linecap='round'/>"
    )


def _lip(look: Look) -> str:
    return mix(look.skin, "#b3323f", 0.62 if look.soft else 0.38)


def _talking(look: Look, opening: int) -> str:
    """Return the speaking mouth: lips around a dark opening with teeth, and a tongue if the mouth is wide open."""
    wide, high = 33 - 2 * opening, 5 + 7 * opening  # half the opening's width, and its full height
    top, middle, bottom = 400 - opening, 400 + high / 2, 400 + high
    lip, thick = _lip(look), 8 if look.soft else 6.5
    inside = f"M{-wide} {middle:g}C{-wide * 0.6:g} {top - 3:g} {wide * 0.6:g} {top - 3:g} {wide} {middle:g}"
    inside += f"C{wide * 0.7:g} {bottom + 4:g} {-wide * 0.7:g} {bottom + 4:g} {-wide} {middle:g}Z"
    half = wide * 0.62
    edge, gum = half * 0.8, top + 3
    teeth = f"<path d='M{-half:g} {gum}H{half:g}L{edge:g} {gum + high * 0.24:g}H{-edge:g}Z' fill='#fff'/>"
    tongue = f"<ellipse cy='{bottom - 2:g}' rx='{wide * 0.5:g}' ry='{high * 0.22:g}' fill='#c9525a'/>"
    inner = teeth + (tongue if opening > 1 else "")
    return (
        f"<clipPath id='mouth'><path d='{inside}'/></clipPath><path d='{inside}' fill='#6f2029'/>"
        f"<g clip-path='url(#mouth)'>{inner}</g>"
        f"<path d='{inside}' fill='none' stroke='{lip}' stroke-width='{thick:g}' stroke-linejoin='round'/>"
    )


def _mouth(look: Look, opening: int | None) -> str:
    if opening:
        return _talking(look, opening)
    return _laughing(look) if opening is None and look.mouth == "laugh" else _smiling(look)


def _laughing(look: Look) -> str:
    lip = _lip(look)
    return (
        "<path d='M-40 395C-22 401 22 401 40 395C34 432 16 441 0 441S-34 432-40 395Z' fill='#6f2029'/>"
        "<path d='M-34 398C-18 403 18 403 34 398C32 410 28 414 22 416C8 419-8 419-22 416C-28 414-32 410-34 398Z' "
        "fill='#fff'/><path d='M-20 432C-10 425 10 425 20 432C10 443-10 443-20 432Z' fill='#c9525a'/>"
        f"<path d='M-43 394C-22 402 22 402 43 394' fill='none' stroke='{lip}' stroke-width='6' "
        "stroke-linecap='round'/>"
        f"<path d='M-31 430C-18 447 18 447 31 430' fill='none' stroke='{lip}' stroke-width='6.5' "
        "stroke-linecap='round'/>"
    )


def _smiling(look: Look) -> str:
    lip = _lip(look)
    line = darker(lip, 0.4)
    return (
        f"<path d='M-38 396C-22 394-8 390 0 394C8 390 22 394 38 396C26 424-26 424-38 396Z' fill='{lip}'/>"
        f"<path d='M-45 391C-26 412 26 412 45 391' fill='none' stroke='{line}' stroke-width='4.5' "
        "stroke-linecap='round'/>"
    )


def _beard(look: Look) -> str:
    if look.beard == "none":
        return ""
    if look.beard == "moustache":
        return (
            "<path d='M0 376C-14 366-44 374-54 396C-36 394-14 392 0 388C14 392 36 394 54 396C44 374 14 366 0 376Z' "
            "fill='url(#hair)'/>"
        )
    shape = (
        "M-112 300C-104 346-98 366-76 376C-52 366-28 366 0 374C28 366 52 366 76 376C98 366 104 346 112 300"
        "C116 380 100 430 66 458C40 482-40 482-66 458C-100 430-116 380-112 300Z"
    )
    if look.beard == "stubble":
        return f"<path d='{shape}' fill='{look.hair_colour}' opacity='.14' clip-path='url(#face)'/>"
    return f"<path d='{shape}' fill='url(#hair)'/>"


def _glasses(look: Look) -> str:
    if not look.glasses:
        return ""
    lens = (
        "<rect x='15' y='274' width='70' height='60' rx='26' fill='#fff' fill-opacity='.16'/>"
        "<path d='M85 296L112 290' fill='none'/>"
    )
    return (
        "<g stroke='#2a2d34' stroke-width='5.5' stroke-linecap='round'>"
        f"{lens}<g transform='scale(-1 1)'>{lens}</g><path d='M-15 294C-8 287 8 287 15 294' fill='none'/></g>"
    )
