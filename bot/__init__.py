"""What people talk to: platform-neutral services, and one thin adapter for each platform. Never loads torch."""
