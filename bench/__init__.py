"""What an operation costs: requests and capacity units exactly, time as a ratio to a bare call in the same run."""
