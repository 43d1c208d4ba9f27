"""The command line: one file a subject. Heavy imports stay inside the commands, so that ``--help`` answers at once."""
