"""Other formats and frameworks: what the one decoder does not cover, read with the same care."""
