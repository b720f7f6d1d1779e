"""What runs in a job's pod before and after the job's own container: `inputs` and `commit`.

Both take what they have to do as JSON in one variable of their environment (steps.py). What a job hands
to the others of its run goes through the store: see record.py.
"""
