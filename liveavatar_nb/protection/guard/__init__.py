"""A process that stops a kernel's sessions after the kernel dies; `handle` is the kernel's side."""
