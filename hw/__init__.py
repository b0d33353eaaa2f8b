"""What is built: the accelerator in Amaranth. Imports amaranth and the block format, nothing else of ours."""
