"""One training loop for all that learn; knows no noun of the domain."""
