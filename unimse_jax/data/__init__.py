"""Records and labels in, batches of arrays out."""
