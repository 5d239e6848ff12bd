"""A page on this machine that answers one clip at a time."""
