"""MLflow's filter language for traces: its words, its clauses, and what they ask of the database."""
