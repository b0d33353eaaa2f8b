"""The engine as a folder of Verilog that needs nothing of seedloom: the text, its ports, and benches that show it works."""
