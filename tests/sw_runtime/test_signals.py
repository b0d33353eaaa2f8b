"""Signals are answered for a while, and then as before."""

import signal

from sw_runtime.signals import signals_answered

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def test_both_signals_are_answered_by_number() -> None:
    answered: list[signal.Signals] = []
    with signals_answered(answered.append):
        for number in NUMBERS:
            signal.raise_signal(number)
    assert answered == list(NUMBERS)


def test_afterwards_signals_are_handled_as_before() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with signals_answered(lambda number: None):
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before
