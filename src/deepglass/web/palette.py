"""Colours of classes: told apart by colour-blind readers where there are few, on light and on dark pages.

The first eight are those of Okabe and Ito (2008, "Color universal design", without black); further ones walk around
the colour circle by the golden angle and step in lightness.
"""

import colorsys

Colour = tuple[int, int, int]

_FIRST: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (150, 150, 150),
)
_GOLDEN = 0.381966  # of a turn
_LIGHTNESS = (0.42, 0.68, 0.55)


def colour(place: int) -> Colour:
    """The colour of a class by its place, bytes of red, green and blue."""
    if place < len(_FIRST):
        return _FIRST[place]
    step = place - len(_FIRST)
    red, green, blue = colorsys.hls_to_rgb((0.03 + step * _GOLDEN) % 1, _LIGHTNESS[step % 3], 0.72)
    return round(255 * red), round(255 * green), round(255 * blue)


def css(colour: Colour) -> str:
    """`#0072b2`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
