"""Who did what: every call and every change, in a chain that shows tampering."""
