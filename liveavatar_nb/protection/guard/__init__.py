"""The process that stops a kernel's sessions after the kernel has died; `handle` is the kernel's side of it."""
