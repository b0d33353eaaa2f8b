"""What a search is aimed at: input statistics, scales, error feedback, formats layer by layer."""
