"""What can be wrong with a medium, and what is done about it.

Every finding is listed in export_report.json. What is done about it is decided
by the policy of its kind, which --policy can change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feature_export.errors import InputError, MediaError

# keep: use the medium as it is; cut: use a part of it; absent: length 0.
ACTIONS = ("keep", "cut", "absent")


@dataclass(frozen=True)
class Kind:
  """One kind of finding.

  Attributes:
    actions: possible policies, the default first.
    modalities: "audio", "video" or both.
    meaning: explanation for people, one clause.
    damage: True: a medium made absent by it counts for --max_bad. A clip that
      shows no face is not damaged.
  """

  actions: tuple[str, ...]
  modalities: tuple[str, ...]
  meaning: str
  damage: bool = True


_BOTH = ("audio", "video")
_ABSENT = ("absent",)

KINDS: dict[str, Kind] = {
  "missing": Kind(_ABSENT, _BOTH, "the file does not exist"),
  "empty": Kind(_ABSENT, _BOTH, "the file has no bytes"),
  "unreadable": Kind(_ABSENT, _BOTH, "no decoder makes anything of it"),
  "no_track": Kind(_ABSENT, _BOTH, "the file has no sound, or no pictures"),
  "out_of_range": Kind(_ABSENT, _BOTH, "nothing between start and end"),
  "crashed": Kind(_ABSENT, _BOTH, "the decoder's process died of it, twice"),
  "time_limit": Kind(_ABSENT, _BOTH, "longer at work than --clip_seconds"),
  "failed": Kind(_ABSENT, _BOTH, "an error that nobody has foreseen"),
  "not_finite": Kind(_ABSENT, _BOTH, "NaN or infinite values"),
  "damaged": Kind(("keep", "absent"), _BOTH, "parts cannot be decoded"),
  "short": Kind(
    ("keep", "absent"), _BOTH, "ends before its header or interval does"
  ),
  "too_long": Kind(("cut", "absent"), _BOTH, "longer than --max_seconds"),
  "far_too_long": Kind(
    ("absent", "cut"),
    _BOTH,
    "a file without an interval longer than --far_seconds: not one utterance",
  ),
  "silence": Kind(("absent", "keep"), ("audio",), "never above -80 dBFS"),
  "beyond_full_scale": Kind(
    ("keep", "absent"), ("audio",), "samples beyond 4 times full scale"
  ),
  "brief": Kind(
    ("keep", "absent"), ("audio",), "shorter than one analysis window"
  ),
  "many_channels": Kind(
    ("keep", "absent"), ("audio",), "more than two channels, mixed down"
  ),
  "several_tracks": Kind(
    ("keep",), ("audio",), "several sound tracks: the default one is taken"
  ),
  "gaps": Kind(
    ("keep",), ("audio",), "no sound between some times: silence instead"
  ),
  "low_rate": Kind(
    ("keep", "absent"), ("audio",), "sampled below 16 kHz: no high bands"
  ),
  "black": Kind(("absent", "keep"), ("video",), "no picture above black"),
  "still": Kind(("keep", "absent"), ("video",), "all pictures are the same"),
  "frames_without_face": Kind(
    ("cut", "absent"), ("video",), "frames left out", damage=False
  ),
  "speaking_face": Kind(
    ("keep",), ("video",), "of several faces, the one that moves with the voice"
  ),
  "speaker_unsure": Kind(
    ("keep",),
    ("video",),
    "several faces, none of which clearly does: the largest",
  ),
  "no_face": Kind(_ABSENT, ("video",), "no face in any frame", damage=False),
}


@dataclass(frozen=True)
class Finding:
  """Something odd about one medium.

  Attributes:
    kind: key of `KINDS`.
    action: policy that was followed: "keep", "cut" or "absent".
    detail: particulars, without paths, so that equal cases can be grouped.
  """

  kind: str
  action: str
  detail: str = ""

  @property
  def reason(self) -> str:
    """The kind and the detail in one line."""
    return f"{self.kind}: {self.detail}" if self.detail else self.kind

  @property
  def unusable(self) -> bool:
    """Whether damage made the medium absent."""
    return self.action == "absent" and KINDS[self.kind].damage


def default_policies(modality: str) -> dict[str, str]:
  """Kind -> action, for every kind of a modality.

  Kinds that are kept whatever anyone says have no policy, and so are no part of
  the settings and of their hash.
  """
  return {
    name: kind.actions[0]
    for name, kind in KINDS.items()
    if modality in kind.modalities and kind.actions != ("keep",)
  }


def parse_policies(changes: Sequence[str]) -> dict[str, str]:
  """Reads "KIND=ACTION" flags.

  Raises:
    InputError: unknown kinds or actions that a kind does not allow.
  """
  chosen, faults = {}, []
  for change in changes:
    name, _, action = change.partition("=")
    if name not in KINDS:
      faults.append(f"{change!r}: no kind {name!r}, one of {', '.join(KINDS)}")
    elif action not in KINDS[name].actions:
      faults.append(
        f"{change!r}: {name} allows {' or '.join(KINDS[name].actions)}"
      )
    chosen[name] = action
  if faults:
    raise InputError("--policy expects KIND=ACTION; " + "; ".join(faults))
  return chosen


class Inspection:
  """Collects the findings of one medium and applies the policies to them."""

  def __init__(self, policies: Mapping[str, str]):
    self._policies = policies
    self._findings: list[Finding] = []

  def report(self, kind: str, detail: str = "") -> str:
    """Adds one finding.

    Returns:
      "keep" or "cut", for the caller to follow.

    Raises:
      MediaError: the policy is "absent".
    """
    # Stored settings may be older than a kind.
    action = self._policies.get(kind, KINDS[kind].actions[0])
    if action == "absent":
      raise MediaError(kind, detail)
    self._findings.append(Finding(kind, action, detail))
    return action

  def findings(self, error: MediaError | None = None) -> tuple[Finding, ...]:
    """All findings, the error that ended the extraction among them if any."""
    end = (
      () if error is None else (Finding(error.kind, "absent", error.detail),)
    )
    return (*self._findings, *end)
