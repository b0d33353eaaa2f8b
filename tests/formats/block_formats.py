"""What an arbitrary block format looks like."""

from hypothesis import strategies as st

from formats.block import BlockFormat


@st.composite
def block_formats(draw: st.DrawFn) -> BlockFormat:
    """Any format whose word fits 63 bits."""
    lfsr_bits, exponent_bits = draw(st.integers(2, 24)), draw(st.integers(0, 5))
    coefficient_bits = draw(st.integers(1, 8))
    return BlockFormat(
        "arbitrary",
        block_size=draw(st.integers(1, 64)),
        latent_dim=draw(st.integers(1, min(16, (63 - lfsr_bits - exponent_bits) // coefficient_bits))),
        lfsr_bits=lfsr_bits,
        exponent_bits=exponent_bits,
        coefficient_bits=coefficient_bits,
        entry_bits=draw(st.integers(1, lfsr_bits)),
        odd_coefficients=draw(st.booleans()),
    )
