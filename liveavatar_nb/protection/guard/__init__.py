"""The guard: the process that stops a kernel's sessions after the kernel dies, and its `handle`."""
