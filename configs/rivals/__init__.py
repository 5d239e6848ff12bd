"""The systems of Table 2 in UniMSE's place: one file a system, each a change of
a few lines to a parent, as in configs/ablations.

  python -m unimse_jax.train --config configs/rivals/tfn.py:demo
  python -m unimse_jax.ablate --config configs/demo.py --rows rivals \
      --workdir runs/rivals
"""

from configs.ablations import load_parent

__all__ = ["ROWS", "load_parent"]

# (file, title), in the order of docs/rivals.md.
ROWS = (
  ("tfidf", "TF-IDF"),
  ("mel_svm", "Mel statistics, SVM"),
  ("faces", "Mean face, linear"),
  ("late_fusion", "Late fusion"),
  ("early_fusion", "Early fusion"),
  ("tfn", "TFN"),
  ("lmf", "LMF"),
  ("mult", "MulT"),
  ("misa", "MISA"),
  ("mag", "MAG"),
  ("self_mm", "Self-MM"),
  ("mmim", "MMIM"),
  ("dialogue_gcn", "DialogueGCN"),
  ("dialogue_crn", "DialogueCRN"),
  ("mmgcn", "MMGCN"),
  ("mm_dfn", "MM-DFN"),
  ("dag_erc", "DAG-ERC"),
  ("cogmen", "COGMEN"),
)
