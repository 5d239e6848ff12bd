"""Contrast of every colour on every ground that it stands on (WCAG 2.2)."""

import pytest

from unimse_jax.reporting import style

SCHEMES = {"light": style.LIGHT, "dark": style.DARK}


def _luminance(colour: str) -> float:
  parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
  linear = [
    each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
    for each in parts
  ]
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
  low, high = sorted((_luminance(one), _luminance(other)))
  return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white():
  assert contrast("#000000", "#ffffff") == pytest.approx(21)
  assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
  ("ink", "ground"),
  [
    ("ink", "page"),
    ("ink", "panel"),
    ("ink", "fill"),  # of the darkest cell of a confusion matrix
    ("muted", "page"),
    ("link", "page"),
    ("alert-ink", "alert"),
  ],
)
def test_text_has_a_contrast_of_4_5(scheme, ink, ground):
  colours = SCHEMES[scheme]
  assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", [*(f"k{n}" for n in range(6)), "muted"])
def test_lines_and_shapes_have_a_contrast_of_3(scheme, kind):
  colours = SCHEMES[scheme]
  assert contrast(colours[kind], colours["page"]) >= 3


def test_both_schemes_define_what_the_rules_use():
  import re

  used = set(re.findall(r"var\(--([\w-]+)\)", style.sheet())) - {"share"}
  assert used == style.LIGHT.keys() == style.DARK.keys()
