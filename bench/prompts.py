"""64 prompts of 3 to 20 words for the benchmarks of generation."""

_OPENINGS = (
    "Once upon a time",
    "The report says that, of everything the committee looked at in the last year,",
    "In this lesson we learn why",
    "Dear Sir or Madam, I am writing to you because",
    "My favourite thing about",
    "Breaking news:",
    "According to the old sailors who still gather at the harbour every evening to talk,",
    "Question: what is the use of",
)
_SUBJECTS = (
    "the moon",
    "a small dog",
    "language models",
    "bread that was baked in a wood oven",
    "mathematics",
    "the city and its bridges",
    "rain",
    "an engine without any moving parts",
)

PROMPTS = tuple(f"{opening} {subject}" for opening in _OPENINGS for subject in _SUBJECTS)
