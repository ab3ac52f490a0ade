"""The demo: an online shop's traces, three experts, and an offline model that applies written criteria."""
