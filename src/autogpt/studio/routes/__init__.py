"""The studio's JSON endpoints, a file for each thing they are about; ``api`` puts them together."""
