"""What runs in a job's pod beside the job's own container: `inputs`, `store` and `commit`.

Each is told what to do as JSON in one variable of their environment (spec.py). What a job leaves for the
others of its run goes through the store (results.py).
"""
