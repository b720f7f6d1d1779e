"""GGUF files, read without torch: what transformers would have in a model's folder.

file.py reads a file's keys and tensors; config.py and tokenizer.py, what the keys mean. families.py has the
networks that they can describe, and checkpoint.py puts them together. Each key and each tensor is used, known
to be without effect, or refused by its name.
"""
