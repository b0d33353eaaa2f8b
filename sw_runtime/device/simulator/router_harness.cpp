// Drives the verilated router: a batch of commands a call, so that no signal crosses into Python.

#include "Vrouter.h"
#include "router_batch.h"

using RouterSimulation = Simulation<Vrouter>;

extern "C" {

void *router_open(uint64_t seed) { return new RouterSimulation{seed}; }

void router_close(void *handle) { delete static_cast<RouterSimulation *>(handle); }

uint64_t router_beat_bytes() { return sizeof(Vrouter::i_data___05Fpayload); }

int router_run(void *handle, Batch *batch) {
    auto &simulation = *static_cast<RouterSimulation *>(handle);
    Vrouter &router = *simulation.unit;
    return run_batch(simulation,
                     Port{router.i_cmd___05Fvalid, router.i_cmd___05Fready, router.i_cmd___05Fpayload},
                     Port{router.i_data___05Fvalid, router.i_data___05Fready, router.i_data___05Fpayload},
                     Port{router.o_rsp___05Fvalid, router.o_rsp___05Fready, router.o_rsp___05Fpayload}, batch);
}

}  // extern "C"
