"""A decoder in integers, from the embedding to the logits: what hardware, emulator and netlist compute to the last bit.

Read ``vectors`` (numbers), ``functions`` (tables), ``operations`` (one function an operation; hold it beside
``golden_models/decoder.py``), ``attention``, and ``execution``, which runs a program of ``formats.decoder``.
``docs/decoder.md`` has the bounds in one table.
"""
