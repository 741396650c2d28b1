"""The guard process, which stops a kernel's sessions after the kernel dies, and `handle`, the kernel's side of it."""
