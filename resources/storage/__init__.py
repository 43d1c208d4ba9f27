"""Where a company's rows are kept: one implementation in SQL, one file a backend for what differs."""
