"""Raw media in, TFRecords and universal labels out; off-line, with PyTorch.

The rooms, from the ground up; imports go down only (`setup.cfg`):

- synthesis: draws the clips of the demo corpora.
- corpora: one importer per corpus; each yields a `Corpus` of `Utterance`s.
- features: one medium in, its features out.
- records: what is stored of an utterance: schema, writing, reading, checks.
- extraction: runs all media of a corpus through `features`, in processes that
  may die; labels: completes labels by the nearest text; tables: counts what is
  stored, beside the paper's tables. These three do not know each other.
- The modules beside the rooms are the commands, `python -m feature_export.X`.

The types that stand for an utterance or for a part of one, and why each is
there:

- `Utterance`: what an importer says; it names media and opens none. The turns
  around it need the whole corpus, so they are added after the import.
- `Media`, `Stored`: where its voice or face is: a stretch of a file to be
  decoded, or an array that the corpus brings.
- `Remark`: why a corpus's row was dropped or repaired; it may have no
  utterance.
- `Segment`: a row of MOSI or MOSEI while text, times and score are still being
  joined from several files.
- `ManifestRow`: a line of a manifest with its faults; only one without any
  becomes an utterance to train on or to predict.
- `Task`: one medium on its way to an extraction process.
- `Finding`: what was odd about a medium, and what was done about it.
- `Features`, `Extraction`: what became of one medium, and of the two of a clip.
- `Sample`: a record read back without its arrays, known by corpus, split and
  id: labels are completed over several corpora.
- `Donor`: the sample that a label was taken from, and how similar it is.
"""
