"""What is slow to get and cheap to keep: one interface, one file for each place that keeps it."""
