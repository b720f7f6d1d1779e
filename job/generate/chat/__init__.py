"""Chat messages as the text that a model was trained to answer: its own chat template."""
