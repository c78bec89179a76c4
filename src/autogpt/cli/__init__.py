"""The command line: reads what the user says, shows what came back."""
