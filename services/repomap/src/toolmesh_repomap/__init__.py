"""Token-budgeted maps of code, ranked by what the rest of the code leans on."""
