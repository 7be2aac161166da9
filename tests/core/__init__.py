"""What a job is: pure functions and objects, without a database."""
