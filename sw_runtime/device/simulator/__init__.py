"""The accelerator's Verilog under Verilator, compiled into one library that runs whole products."""
