"""Small charts as inline SVG, drawn by hand: crisp, quick to open, and in the colours of the page's theme.

A drawing is about 460 units wide, so that its text stays readable on a phone. `<title>` elements are its tooltips;
the page's script shows them at once and near the pointer.
"""
