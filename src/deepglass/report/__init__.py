"""The report of a run: one HTML file that works offline.

data.py       what sections share, computed once: `ReportData`
sections/     one section a file: NAME.py (facts and view) and NAME.html (template)
templates.py  the jinja2 environment; macros.html and section.html are shared by the templates
charts/       axes and lines of charts, which charts.html draws as inline SVG
verdict.py    whether a network is worth it here
write.py      sections -> page -> file
"""
