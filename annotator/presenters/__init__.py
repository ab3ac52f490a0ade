"""What pages show of judges and runs, worked out by pure functions: no database, no request."""
