"""Memory: a controller for SDRAM chips, a port that reads and writes runs of beats, and dense words out of beats."""
