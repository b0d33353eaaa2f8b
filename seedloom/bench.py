"""``seedloom bench``: one command for each thing that is measured."""

import typer

from seedloom.bench_codec import codec
from seedloom.bench_engine import engine
from seedloom.bench_link import link
from seedloom.bench_router import router

bench = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Measure the engine, the token router, a serial link or the seed search.",
)
for command in (engine, router, link, codec):
    bench.command()(command)
