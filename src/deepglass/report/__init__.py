"""The report of a run: one html file that works offline, from `Facts`.

facts.py     what a report needs, as plain data; the other *_facts.py hold its parts
measure.py   the less obvious parts of the facts, from arrays
verdict.py   whether a network is worth it here
panels/      the parts of the page, one file each
charts/      small charts as inline SVG
page/        the page around the panels: html, css, js
write.py     facts -> file
"""

from deepglass.report.facts import Facts
from deepglass.report.write import write_report

__all__ = ["Facts", "write_report"]
