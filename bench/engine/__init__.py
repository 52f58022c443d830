"""Jobs to images and records: what to make, what is missing, and making it."""
