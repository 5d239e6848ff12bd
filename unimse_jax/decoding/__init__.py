"""Label text out of the model: generation and exact scoring.

A model here is anything with the methods `encode(batch)`, `start_cache(encoded,
length)` and `decode_step(tokens, index, cache, cross, encoder_mask)` under
Linen's `apply`.
"""
