"""Axes and lines of small charts, which the macros of `charts.html` draw as inline SVG.

The charts take the colours of the page's theme, need no script and keep the report one file. Own code, because plotting
libraries write images or scripts of megabytes that know nothing of the theme. A drawing is about 460 units wide, so
that its text stays readable on a phone. `<title>` elements are its tooltips; the page's script shows them at once and
near the pointer.
"""
