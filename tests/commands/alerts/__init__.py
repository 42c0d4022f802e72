"""What is told to people who are somewhere else."""
