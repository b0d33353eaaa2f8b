"""What is shipped: area and clock of the hardware, measured with open tools.

``python -m synth`` synthesises lanes and engines, places and routes them on an ECP5, and writes the
tables of docs/hardware.md. Read in this order: ``designs`` (what is measured), ``harness`` (how a
component with hundreds of ports is placed alone), ``flow`` (the tools), ``reports`` (what they
say), ``tables`` (how it is shown).
"""
