"""Rows in: where they are, and what each asks for."""
