"""Below both packages: how a command reads its flags and ends."""
