"""What is called: compression, devices and the host-side inference API."""
