"""What a job needs before anything of it is reserved: the same for `ringfence run` and for the operator."""
