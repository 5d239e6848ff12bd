"""The published tables of the UniMSE paper (Hu et al. 2022), cell by cell.

Each row has the splits in the order of `SPLITS`, then all of them. `REASONS`
explains the cells that are known to be wrong, or to count something else than
the task does.
"""

COLUMNS = ("train", "validation", "test", "all")

# Table 1: samples.
CLIPS = {
  "mosi": (1284, 229, 686, 2199),
  "mosei": (16326, 1871, 4659, 22856),
  "meld": (9989, 1108, 2610, 13707),
  "iemocap": (5354, 528, 1650, 7532),
}
# Table 4: mean length, s. A task's value weighs its corpora by their samples.
SECONDS = {"mosi": 4.2, "mosei": 7.6, "meld": 3.2, "iemocap": 4.6}
TASKS = {"MSA": ("mosi", "mosei"), "ERC": ("meld", "iemocap")}
TASK_SECONDS = {"MSA": 7.3, "ERC": 3.7}
# Tables 5 and 6: emotions. Table 5 leaves neutral out.
EMOTIONS = {
  "meld": {
    "surprise": (1205, 150, 281, 1636),
    "fear": (268, 40, 50, 358),
    "sadness": (683, 112, 208, 1003),
    "joy": (1744, 163, 402, 2309),
    "disgust": (271, 22, 68, 361),
    "anger": (1109, 153, 345, 1607),
  },
  "iemocap": {
    "neutral": (1187, 137, 384, 1708),
    "frustrated": (1322, 146, 381, 1849),
    "anger": (832, 101, 170, 1103),
    "sadness": (762, 77, 245, 1084),
    "joy": (431, 21, 299, 751),
    "excited": (703, 39, 143, 885),
  },
}
# What the sources hold where the paper's cell is another number:
# (table, corpus, row, column) -> (true count, why).
_MELD_DEV = "the authors lack dev dia110_utt7, whose clip is not in MELD.Raw"
_SENTINELS = "the paper counts a -1 sentinel row of its authors' label files"
_SWAPPED = "the paper swaps joy and excited in the test column"
_SIX = "the paper's 7,532 hold ten classes; 7,380 are of the task's six"
REASONS = {
  (1, "meld", "clips", "validation"): (1109, _MELD_DEV),
  (1, "meld", "clips", "all"): (13708, _MELD_DEV),
  (1, "iemocap", "clips", "train"): (5237, _SIX),
  (1, "iemocap", "clips", "validation"): (521, _SIX),
  (1, "iemocap", "clips", "test"): (1622, _SIX),
  (1, "iemocap", "clips", "all"): (7380, _SIX),
  (5, "meld", "joy", "train"): (1743, _SENTINELS),
  (5, "meld", "joy", "all"): (2308, _SENTINELS),
  (5, "meld", "sadness", "validation"): (111, _SENTINELS),
  (5, "meld", "sadness", "all"): (1002, _SENTINELS),
  (6, "iemocap", "joy", "test"): (143, _SWAPPED),
  (6, "iemocap", "joy", "all"): (595, _SWAPPED),
  (6, "iemocap", "excited", "test"): (299, _SWAPPED),
  (6, "iemocap", "excited", "all"): (1041, _SWAPPED),
}
EMOTION_TABLES = {"meld": 5, "iemocap": 6}
