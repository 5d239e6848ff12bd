"""The systems of Table 2 in UniMSE's place: one file a system, each a change of
a few lines to a parent, as in configs/ablations.

  python -m unimse_jax.train --config configs/rivals/tfn.py:demo
  python -m unimse_jax.ablate --config configs/demo.py --rows rivals \
      --workdir runs/rivals
"""

from configs.ablations import load_parent

__all__ = ["load_parent"]
