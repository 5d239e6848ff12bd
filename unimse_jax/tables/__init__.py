"""How numbers are shown: what each score is called, and tables of any kind."""
