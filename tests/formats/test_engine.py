"""What an engine can be built for, and the traffic that follows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.engine import EngineParameters, format_names
from formats.fp16 import Fp16Format
from formats.presets import PALETTES, PRESETS
from formats.weight_format import WeightFormat


class TestRefusals:
    """Every error names the parameter and what it may be."""

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"formats": "fp16"}, r"formats must be a tuple of names, such as \('scaled-4bit',\), not 'fp16'"),
            ({"formats": ["fp16"]}, r"formats must be a tuple of names, such as \('scaled-4bit',\), not \['fp16'\]"),
            ({"formats": (None,)}, "unknown format None; known are paper-4bit, .*, fp16"),
            ({"lanes": "4"}, "lanes must be an integer, 0 to 64, not '4'"),
            ({"lanes": 3.0}, r"lanes must be an integer, 0 to 64, not 3\.0"),
            ({"batch": True}, "batch must be an integer, 1 to 16, not True"),
            ({"port_bytes": None}, "port_bytes must be an integer, 4, 8, 16, 32 or 64, not None"),
            ({"maximum_rows": float("nan")}, "maximum_rows must be an integer, 1 to 1048576, not nan"),
            ({"formats": ("int4",)}, "unknown format 'int4'; known are paper-4bit, .*, fp16"),
            ({"formats": ()}, r"formats must be one or more different names, not \(\)"),
            ({"formats": ("fp16", "fp16")}, r"formats must be one or more different names, not \('fp16', 'fp16'\)"),
            ({"port_bytes": 12}, "port_bytes must be 4, 8, 16, 32 or 64, not 12"),
            ({"port_bytes": 128}, "port_bytes must be 4, 8, 16, 32 or 64, not 128"),
            ({"activation_bits": 12}, "activation_bits must be 8 or 16, not 12"),
            ({"lanes": -1}, "lanes must be 0 to 64, not -1"),
            ({"lanes": 65}, "lanes must be 0 to 64, not 65"),
            ({"batch": 0}, "batch must be 1 to 16, not 0"),
            ({"batch": 17}, "batch must be 1 to 16, not 17"),
            ({"maximum_columns": 0}, "maximum_columns must be 1 to 32768, not 0"),
            ({"maximum_columns": 32769}, "maximum_columns must be 1 to 32768, not 32769"),
            ({"maximum_rows": 0}, "maximum_rows must be 1 to 1048576, not 0"),
            ({"maximum_rows": (1 << 20) + 1}, "maximum_rows must be 1 to 1048576, not 1048577"),
            ({"multiplier_bits": 11}, "multiplier_bits must be 12 to 32, not 11"),
            ({"multiplier_bits": 33}, "multiplier_bits must be 12 to 32, not 33"),
            (
                {"formats": ("palette-2bit",), "lanes": 3},
                "lanes=3 would mix rows of different tables of palette-2bit; take 1, 2, 4, 8 or 16",
            ),
            (
                {"formats": ("paper-3bit",), "port_bytes": 4},
                "port_bytes=4 cannot carry a 36-bit word of paper-3bit; it takes 5 or more",
            ),
        ],
    )
    def test_what_cannot_be_built_is_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}$"):
            EngineParameters(**{"formats": ("scaled-4bit",), **wrong})

    @pytest.mark.parametrize("port_bytes", [4, 8, 16, 32, 64])
    def test_the_limits_themselves_are_taken(self, port_bytes: int) -> None:
        EngineParameters(("scaled-4bit", "fp16"), port_bytes, 64, 8, 16, 32768, 1 << 20)
        EngineParameters(("scaled-2bit",), port_bytes, 0, 16, 1, 1, 1)


class TestTraffic:
    """Counts that hosts and hardware share."""

    def test_the_papers_engine(self) -> None:
        parameters = EngineParameters(("paper-4bit", "fp16"))
        seeds, baseline = parameters.weight_formats
        assert parameters.port_bits == 512
        assert (parameters.lanes_for(seeds), parameters.lanes_for(baseline)) == (16, 4)
        assert parameters.weight_beats(seeds, 2048, 2048) == 32_768
        assert parameters.weight_beats(baseline, 2048, 2048) == 131_072
        assert parameters.activation_beats(seeds, 2048) == 64
        assert parameters.results_per_beat == 8
        assert (parameters.result_beats(seeds), parameters.result_beats(baseline)) == (2, 1)

    @pytest.mark.parametrize(
        ("name", "port_bytes", "lanes"),
        [
            ("scaled-4bit", 64, 16),
            ("scaled-3bit", 64, 21),
            ("paper-3bit", 64, 14),
            ("scaled-4bit", 4, 1),
            ("scaled-3bit", 16, 5),
            ("paper-3bit", 8, 1),
            ("palette-4bit", 64, 16),
            ("palette-2bit", 64, 16),
            ("palette-2bit", 4, 1),
            ("fp16", 4, 1),
        ],
    )
    def test_as_many_lanes_as_the_port_feeds(self, name: str, port_bytes: int, lanes: int) -> None:
        parameters = EngineParameters((name,), port_bytes)
        assert parameters.lanes_for(parameters.weight_formats[0]) == lanes

    def test_no_more_lanes_than_asked_for(self) -> None:
        parameters = EngineParameters(("scaled-4bit", "fp16"), lanes=5)
        assert [parameters.lanes_for(f) for f in parameters.weight_formats] == [5, 4]

    def test_the_baseline_takes_smaller_words_where_the_port_is_narrow(self) -> None:
        sizes = {port_bytes: EngineParameters(("fp16",), port_bytes).fp16_format for port_bytes in (4, 8, 16, 64)}
        assert {port: fp16.block_size for port, fp16 in sizes.items() if fp16} == {4: 2, 8: 4, 16: 8, 64: 8}
        assert EngineParameters(("scaled-4bit",)).fp16_format is None

    @given(
        name=st.sampled_from(format_names()),
        port_bytes=st.sampled_from([8, 16, 32, 64]),
        activation_bits=st.sampled_from([8, 16]),
        rows=st.integers(1, 500),
        columns=st.integers(1, 4096),
    )
    def test_beats_hold_everything_and_not_one_more(
        self, name: str, port_bytes: int, activation_bits: int, rows: int, columns: int
    ) -> None:
        parameters = EngineParameters((name,), port_bytes, activation_bits=activation_bits)
        weight_format: WeightFormat = parameters.weight_formats[0]
        blocks, lanes = weight_format.blocks(columns), parameters.lanes_for(weight_format)
        assert (parameters.row_groups(weight_format, rows) - 1) * lanes < rows
        assert parameters.row_groups(weight_format, rows) * lanes >= rows
        assert parameters.weight_beats(weight_format, rows, columns) == -(-rows // lanes) * blocks
        # a word of activations holds whole blocks: in one beat, or one block in several
        beats = parameters.beats_per_activation_word(weight_format)
        per_word = parameters.blocks_per_activation_word(weight_format)
        block_bits = weight_format.block_size * activation_bits
        assert beats == 1 or per_word == 1
        assert (beats - 1) * parameters.port_bits < per_word * block_bits <= beats * parameters.port_bits
        words = parameters.activation_words(weight_format, columns)
        assert (words - 1) * per_word < blocks <= words * per_word
        assert parameters.activation_beats(weight_format, columns) == words * beats
        in_full_beats = parameters.result_beats(weight_format) * parameters.results_per_beat
        assert in_full_beats - parameters.results_per_beat < lanes <= in_full_beats

    @pytest.mark.parametrize(("port_bytes", "beats"), [(64, (1, 1)), (16, (2, 1)), (4, (8, 2))])
    def test_a_palettes_rows_start_with_its_table(self, port_bytes: int, beats: tuple[int, int]) -> None:
        parameters = EngineParameters(tuple(PALETTES), port_bytes)
        four, two = parameters.palette_formats
        assert (four.table_blocks, two.table_blocks) == beats
        assert (four.blocks(96) - beats[0], two.blocks(96) - beats[1]) == (12, 6)


class TestFormats:
    """An engine's formats in the order a command numbers them."""

    def test_every_format_is_known(self) -> None:
        parameters = EngineParameters(tuple(reversed(format_names())))
        assert [f.name for f in parameters.weight_formats] == list(reversed(format_names()))
        assert [f.name for f in parameters.lane_formats] == [
            name for name in reversed(format_names()) if name != "fp16"
        ]
        assert [f.name for f in parameters.palette_formats] == [*PALETTES][::-1]
        assert parameters.maximum_block_size == 16
        assert parameters.accumulator_bits == max(f.accumulator_bits(4096, 16) for f in parameters.weight_formats)

    def test_every_seed_lane_of_an_engine_has_the_latency_of_its_slowest_format(self) -> None:
        alone = EngineParameters(("scaled-4bit",))
        mixed = EngineParameters(("scaled-4bit", "paper-3bit", "fp16"))
        assert alone.lane_latency(PRESETS["scaled-4bit"]) == 8  # generator 4, product 1, tree of 8 3
        assert mixed.lane_latency(PRESETS["scaled-4bit"]) == 10  # tree of 12 4, shift 1
        assert mixed.lane_latency(Fp16Format()) == 9  # decode 4, product 1, shift 1, tree 3

    def test_sums_of_the_longest_fp16_rows_fit_a_result(self) -> None:
        assert Fp16Format().accumulator_bits(1 << 15, 16) <= 64
