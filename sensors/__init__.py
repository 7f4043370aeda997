"""Evidence in, verdict out: pure functions over bytes, numbers and context. No database, network or clock here."""
