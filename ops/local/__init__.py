"""Local stand-ins of the platforms: servers on this machine that the unmodified clients talk to."""
