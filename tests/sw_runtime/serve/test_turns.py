from threading import Thread

from sw_runtime.serve.turns import Turns


def test_turns_are_given_in_the_order_of_asking() -> None:
    turns, served = Turns(), list[int]()

    def work(name: int) -> None:
        turns.take()
        served.append(name)
        turns.give()

    turns.take()
    threads = []
    for name in range(5):
        threads.append(Thread(target=work, args=(name,)))
        threads[-1].start()
        while turns.waiting() <= name:
            pass
    assert served == []
    turns.give()
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4]


def test_who_gives_a_turn_back_and_asks_again_waits_for_the_others() -> None:
    turns, served = Turns(), list[str]()
    turns.take()

    def work() -> None:
        turns.take()
        served.append("other")
        turns.give()

    other = Thread(target=work)
    other.start()
    while not turns.waiting():
        pass
    turns.give()
    turns.take()
    served.append("first")
    turns.give()
    other.join()
    assert served == ["other", "first"]
