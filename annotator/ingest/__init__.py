"""The machine door: foreign formats in and out, decoded purely."""
