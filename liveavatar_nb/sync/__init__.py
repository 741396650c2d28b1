"""The API that needs no await: each method is one line, run on the managed loop."""
