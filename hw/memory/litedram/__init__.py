"""DDR3 memory: LiteDRAM's controller, generated from its package, behind the requests of our own controller."""
