"""Text to token ids and back; chat templates. No torch here."""
