"""The map: rows as points in the space of any layer, laid out in the plane, coloured, with what they are."""
