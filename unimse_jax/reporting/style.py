"""The page's style, for light and dark, wide screens and phones.

Ink on its ground has a contrast of at least 4.5, lines and shapes of charts
of at least 3 (WCAG 2.2, 1.4.3 and 1.4.11); a test computes both from here.
"""

import re

# Chart colours after Okabe and Ito (2008), made darker or lighter until they
# stand out from their ground.
LIGHT = {
  "ink": "#1b1d21",
  "muted": "#565b64",
  "page": "#ffffff",
  "panel": "#f4f5f7",
  "line": "#c9ccd3",
  "link": "#0b5cad",
  "alert-ink": "#6b2f00",
  "alert": "#fff1df",
  "fill": "#7db4d8",
  "k0": "#0072b2",
  "k1": "#c04f00",
  "k2": "#00795a",
  "k3": "#a8487f",
  "k4": "#5b5bd0",
  "k5": "#8a6d00",
}
DARK = {
  "ink": "#e9eaee",
  "muted": "#a9aeb8",
  "page": "#14161a",
  "panel": "#1d2026",
  "line": "#42464f",
  "link": "#7db8f0",
  "alert-ink": "#ffd9a8",
  "alert": "#3a2a14",
  "fill": "#26577c",
  "k0": "#56b4e9",
  "k1": "#f0894a",
  "k2": "#2fc497",
  "k3": "#e08fbe",
  "k4": "#a5a5ff",
  "k5": "#e3c13d",
}
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "4 4", "12 4")

_RULES = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { color: var(--ink); background: var(--page); margin: 0 auto;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  max-width: 76rem; padding: 1rem 1.25rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.75rem 0 0.5rem;
  padding-top: 0.75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.25rem; }
p { max-width: 46rem; margin: 0.5rem 0; }
a { color: var(--link); }
.lead, .files { color: var(--muted); }
.files { font-size: 0.85rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; padding: 0;
  margin: 0.75rem 0; list-style: none; }
.alert { color: var(--alert-ink); background: var(--alert);
  border-left: 4px solid var(--k1); padding: 0.5rem 0.9rem; margin: 1rem 0; }
.alert p { margin: 0.25rem 0; }
/* Narrow tables stand side by side. */
.block { display: inline-block; vertical-align: top; max-width: 100%;
  margin: 1rem 2.5rem 0.25rem 0; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: 0.875rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption, figcaption { text-align: left; font-weight: 600; font-size: 0.9rem;
  padding: 0.25rem 0; }
caption { max-width: min(46rem, calc(100vw - 2.5rem)); position: sticky;
  left: 0; }
th, td { padding: 0.3rem 0.45rem; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: top; white-space: nowrap; }
.dense { font-size: 0.8rem; }
.dense th, .dense td { padding: 0.3rem 0.25rem; }
thead th { vertical-align: bottom; background: var(--panel); }
th[scope="colgroup"] { text-align: center; }
th:first-child, .words { text-align: left; }
.words { white-space: normal; min-width: 8rem; max-width: 22rem;
  overflow-wrap: anywhere; }
/* What a row is about stays in sight while its cells scroll. */
th:first-child { position: sticky; left: 0; background: var(--page); }
thead th:first-child, th.group { background: var(--panel); }
th[scope="row"] { font-weight: 500; }
.group { font-style: italic; }
.interval { display: block; color: var(--muted); font-size: 0.9em; }
sup { font-size: 0.7em; line-height: 0; margin-left: 0.1em; }
.notes { color: var(--muted); font-size: 0.8rem; list-style: none; padding: 0;
  margin: 0.25rem 0 1rem; max-width: 46rem; }
.shaded td { background: color-mix(in srgb, var(--fill)
  calc(var(--share) * 100%), var(--page)); }
.charts { display: grid; gap: 1rem 1.5rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
figure { margin: 0.5rem 0; max-width: 28rem; }
.large { grid-template-columns:
  repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
/* A recording's picture: letters as large as the text, or it scrolls. */
.timeline figure { max-width: 60rem; min-width: 47rem; }
svg.chart { display: block; width: 100%; height: auto; overflow: visible; }
svg.key { width: 24px; height: 12px; margin-right: 0.35rem; flex: none; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; padding: 0;
  margin: 0 0 0.25rem; list-style: none; font-size: 0.8rem; }
.legend li { display: flex; align-items: center; }
pre { overflow-x: auto; background: var(--panel); padding: 0.75rem;
  font-size: 0.8rem; line-height: 1.4; }
summary { cursor: pointer; }
@media (max-width: 30rem) { body { padding: 0.75rem 0.9rem 3rem; }
  caption { max-width: calc(100vw - 1.8rem); }
  th[scope="row"] { white-space: normal; min-width: 5.5rem; max-width: 9rem; }
  .block { margin-right: 0; } }
@media print { .wide { overflow: visible; } nav { display: none; } }
"""


# Of what is drawn inside of a chart, on the page and in a file of its own.
_CHART_RULES = """
svg text { font-family: system-ui, sans-serif; font-size: 12px;
  fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--muted); stroke-width: 1.5; stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 2; }
.dot { fill-opacity: 0.75; } .ring { fill: none; stroke-width: 1.75; }
.ring.ink { stroke: var(--ink); stroke-width: 1; }
.hover { fill: transparent; }
.hover:hover { stroke: var(--ink); stroke-width: 1; }
"""


def sheet() -> str:
  """The page's whole style sheet."""
  return (
    f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}"
    f"{_RULES}{_chart_rules()}"
  )


def chart_sheet() -> str:
  """A single chart's, light; without variables, which few programs know."""
  return re.sub(
    r"var\(--([\w-]+)\)", lambda match: LIGHT[match[1]], _chart_rules()
  )


def _chart_rules() -> str:
  kinds = "".join(
    f".dot.k{n}, .bar.k{n} {{ fill: var(--k{n}); }} "
    f".line.k{n}, .ring.k{n} {{ stroke: var(--k{n}); }} "
    f".d{n} {{ stroke-dasharray: {dash}; }}\n"
    for n, dash in enumerate(_DASHES)
  )
  return _CHART_RULES + kinds


def _variables(colours: dict[str, str]) -> str:
  return " ".join(f"--{name}: {value};" for name, value in colours.items())
