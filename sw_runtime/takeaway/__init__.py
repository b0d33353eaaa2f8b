"""The engine as a folder of Verilog that needs nothing of seedloom: the text, its ports, benches that show it works."""
