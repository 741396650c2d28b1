"""The process that stops a kernel's sessions after its death; `handle` is the kernel's side of it."""
