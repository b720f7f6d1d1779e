"""Text generation: settings and prompts in, a folder of texts out."""
