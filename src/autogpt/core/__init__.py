"""What every other package stands on: errors, configuration, files, units. No torch here."""
