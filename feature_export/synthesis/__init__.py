"""Draws small clips of feeling people: words, a voice and a face.

The demo corpora are made of these. The information is spread on purpose
over the three modalities, as it is in life: see `affect`.
"""
