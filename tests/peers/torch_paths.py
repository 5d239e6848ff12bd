"""Which parameter of the peer in torch is which of unimse_jax's."""

from unimse_jax.pretrained import names


def path(name: str) -> tuple[str, bool]:
  """unimse_jax's path of a torch parameter, and whether it is transposed."""
  if name.startswith("t5."):
    ours = "t5/" + names.path(name.removeprefix("t5."))
    return ours, ours.endswith("/kernel")
  for stem in ("modality_encoder", "fusion_decoder", "fusion"):
    name = name.replace(f"{stem}.", f"{stem}_", 1)
  name = name.replace("contrastive_modality.", "contrastive_modality_")
  if name.startswith("contrastive"):
    return name.replace(".weight", "/conv/kernel"), True
  for theirs, ours in (
    ("lstm.weight_ih_l0_reverse", "lstm_backward/input/kernel"),
    ("lstm.bias_ih_l0_reverse", "lstm_backward/input/bias"),
    ("lstm.weight_hh_l0_reverse", "lstm_backward/recurrent"),
    ("norm.weight", "norm/scale"),
    ("lstm.weight_ih_l0", "lstm/input/kernel"),
    ("lstm.bias_ih_l0", "lstm/input/bias"),
    ("lstm.weight_hh_l0", "lstm/recurrent"),
    ("segment_embedding.weight", "segment_embedding/embedding"),
  ):
    name = name.replace(theirs, ours)
  transposed = not name.endswith(("bias", "embedding", "scale"))
  return name.replace(".weight", "/kernel").replace(".", "/"), transposed
