"""The command line: `liveavatar-nb` or `python -m liveavatar_nb.cli`."""
