"""The process that stops a kernel's sessions when the kernel has died; `handle` is what the kernel has of it."""
