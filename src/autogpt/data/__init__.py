"""Sources to documents to tokens to batches."""
