"""Label text out of the model: generation and exact scoring.

A model here is anything with the methods `encode(batch)`, `start_cache(encoded,
length)`, `decode_step(tokens, index, cache, cross, encoder_mask)`,
`decode_tree(tokens, cross, encoder_mask, tree)` and `output(decoded)` under
Linen's `apply`.
"""
