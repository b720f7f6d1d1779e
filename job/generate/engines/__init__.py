"""Engines: rows in, texts out. One module an engine."""
