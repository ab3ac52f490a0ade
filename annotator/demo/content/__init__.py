"""What customers of the demo shop ask, and the pieces of good and bad answers, by topic."""
