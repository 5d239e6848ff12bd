"""Several runs as one: seeds of a config, and rows of an ablation."""
