"""Below both packages: a command's flags and its end; paths in buckets."""
