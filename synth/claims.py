"""Claims: components with one output that is 1 for ever if the component inside is right."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.block import BlockFormat
from formats.engine import EngineParameters
from hw.engine.generator import leap
from hw.engine.sequencer import Sequencer
from hw.router.frame.answer import Answer
from hw.router.frame.receiver import Receiver


class Claim(wiring.Component):
    """What a proof is about.

    Inputs beside the members named here take every value in every cycle.

    Parameters
    ----------
    inputs
        Shapes of the free inputs.

    Members
    -------
    assumed : Out(1)
        The inputs are such as the component may meet.
    holds : Out(1)
        What is claimed.
    """

    def __init__(self, inputs: dict[str, object]) -> None:
        members = {name: In(shape) for name, shape in inputs.items()}
        super().__init__({**members, "assumed": Out(1, init=1), "holds": Out(1, init=1)})


def free_inputs(component: wiring.Component) -> dict[str, object]:
    """Shapes of all inputs of a component, ready and payload of its streams too, by name."""
    flat = component.signature.flatten(component)
    return {"__".join(map(str, path)): len(Value.cast(value)) for path, member, value in flat if member.flow is In}


def drive(m: Module, component: wiring.Component, claim: Claim) -> None:
    """Connect a component's inputs to the claim's inputs of the same name."""
    for path, member, value in component.signature.flatten(component):
        if member.flow is In:
            m.d.comb += Value.cast(value).eq(getattr(claim, "__".join(map(str, path))))


class StreamRules(Claim):
    """An offer stays: once ``valid``, neither it nor the payload changes until ``ready``.

    Parameters
    ----------
    component
        Whatever its inputs do, in any order.
    name
        An output stream of it.
    """

    def __init__(self, component: wiring.Component, name: str = "o") -> None:
        self._component, self._stream = component, name
        super().__init__(free_inputs(component))

    def elaborate(self, platform: object) -> Module:
        """Compare with the cycle before."""
        m = Module()
        m.submodules.component = self._component
        drive(m, self._component, self)
        stream = getattr(self._component, self._stream)
        payload = Value.cast(stream.payload)
        offered = Signal()
        before = Signal.like(payload)
        m.d.sync += [offered.eq(stream.valid & ~stream.ready), before.eq(payload)]
        m.d.comb += self.holds.eq(~offered | (stream.valid & (payload == before)))
        return m


class LeapEqualsSteps(Claim):
    """Window n of the leapt stream is the state after n single steps.

    Told step by step: the first window is the seed, and each other one a step after the one before.

    Parameters
    ----------
    block_format
        Register and taps (SeedLM §3.2, appendix A.1), and how many states a block needs.
    """

    def __init__(self, block_format: BlockFormat) -> None:
        self._format = block_format
        super().__init__({"seed": block_format.lfsr_bits})

    def elaborate(self, platform: object) -> Module:
        """Step from every window to the next."""
        m = Module()
        bits, taps = self._format.lfsr_bits, self._format.taps
        steps = self._format.block_size * self._format.latent_dim
        stream = Signal(bits + steps)
        m.d.comb += stream.eq(leap(self.seed, self._format, len(stream)))
        right: Value = stream[:bits] == self.seed
        for n in range(steps):
            state = stream[n:][:bits]
            entering: Value = Const(0)
            for tap in taps:
                entering = entering ^ state[tap]
            right = right & (stream[n + 1 :][:bits] == Cat(state[1:], entering))
        m.d.comb += self.holds.eq(right)
        return m


class ReceiverPassesEachBeat(Claim):
    """An open packet's beat is taken if and only if the primitive takes it, with the same elements.

    After ``finish`` beats are drained, and an aborting beat carries nothing; these alone go nowhere.

    Parameters
    ----------
    receiver
        The unpacker of the router's data stream.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        super().__init__(free_inputs(receiver))

    def elaborate(self, platform: object) -> Module:
        """Compare both handshakes of a cycle."""
        m = Module()
        m.submodules.receiver = receiver = self._receiver
        drive(m, receiver, self)
        beat = receiver.i.payload
        taken = receiver.i.valid & receiver.i.ready
        handed = receiver.o.valid & receiver.o.ready
        carries = ~receiver.finish & ~beat.abort
        same = Value.cast(receiver.o.elements) == Value.cast(beat.elements)
        closed = ~taken & (~handed | (Value.cast(receiver.o.elements) == 0))
        opened = Mux(carries, taken == handed, ~handed) & (~handed | same)
        m.d.comb += [
            self.assumed.eq(~(receiver.finish & receiver.o.ready)),
            self.holds.eq(Mux(receiver.ended, closed, opened)),
        ]
        return m


class AnswerKeepsEachWord(Claim):
    """The word that enters as number ``which`` leaves as number ``which``, for any number.

    Parameters
    ----------
    words_under_way
        Words that may come after room is gone. The claim is the same for any; a short queue is quick to prove.
    """

    def __init__(self, words_under_way: int) -> None:
        self._words_under_way = words_under_way
        self._answer = answer = Answer(words_under_way)
        super().__init__({"which": 6, **free_inputs(answer)})

    def elaborate(self, platform: object) -> Module:
        """Follow one word."""
        m = Module()
        m.submodules.answer = answer = self._answer
        drive(m, answer, self)
        began = Signal()
        which = Signal(6)
        entered = Signal(6)
        left = Signal(6)
        late = Signal(range(self._words_under_way + 2))
        followed = Signal(len(answer.words.word))
        enters = answer.words.valid
        leaves = answer.o.valid & answer.o.ready
        m.d.sync += began.eq(1)
        with m.If(~began):
            m.d.sync += which.eq(self.which)
        with m.If(enters):
            m.d.sync += [entered.eq(entered + 1), late.eq(late + 1)]
            with m.If(entered == which):
                m.d.sync += followed.eq(answer.words.word)
        with m.If(leaves):
            m.d.sync += left.eq(left + 1)
        with m.If(answer.words.room):
            m.d.sync += late.eq(enters)
        m.d.comb += [
            self.assumed.eq(
                ~answer.close & (began | ~enters) & (answer.words.room | (late < self._words_under_way) | ~enters)
            ),
            self.holds.eq(~leaves | ((left < entered) & ((left != which) | (answer.o.payload.word == followed)))),
        ]
        return m


class SequencerCountsEachBeat(Claim):
    """Beat number t of the weights is column block ``t mod blocks``; the first and the last of each group say so.

    Parameters
    ----------
    parameters
        An engine of one format.
    """

    def __init__(self, parameters: EngineParameters) -> None:
        self._parameters = parameters
        self._sequencer = Sequencer(parameters)
        super().__init__(free_inputs(self._sequencer))

    def elaborate(self, platform: object) -> Module:
        """Count what the port handed over."""
        m = Module()
        m.submodules.sequencer = sequencer = self._sequencer
        drive(m, sequencer, self)
        (weight_format,) = self._parameters.weight_formats
        blocks = self._parameters.blocks_per_activation_word(weight_format)
        beats = self._parameters.beats_per_activation_word(weight_format)
        taken = sequencer.data_valid & sequencer.data_ready
        loaded = Signal(8)
        block = Signal.like(sequencer.command.column_blocks)
        words = (sequencer.command.column_blocks // blocks + 1) * beats
        place = (sequencer.write.vector * (words // beats) + sequencer.write.address) * beats + sequencer.write.beat
        with m.If(sequencer.i_command.valid & sequencer.i_command.ready):
            m.d.sync += loaded.eq(0)
        with m.If(sequencer.write.enable):
            m.d.sync += loaded.eq(loaded + 1)
        with m.If(sequencer.weights_valid):
            m.d.sync += block.eq(Mux(sequencer.weights_last, 0, block + 1))
        m.d.comb += [
            self.holds.eq(
                (taken == (sequencer.write.enable | sequencer.weights_valid))
                & ~(sequencer.write.enable & sequencer.weights_valid)
                & (~sequencer.write.enable | (loaded == place))
                & (
                    ~sequencer.weights_valid
                    | (
                        (sequencer.read.address * blocks + sequencer.read.block == block)
                        & (sequencer.weights_first == (block == 0))
                        & (sequencer.weights_last == (block == sequencer.command.column_blocks))
                        & (loaded == words * (sequencer.command.vectors + 1))
                    )
                )
            ),
        ]
        return m
