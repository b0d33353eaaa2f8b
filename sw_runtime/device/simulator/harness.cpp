// Drives the verilated accelerator: products, router commands or both, a call each, so that no signal crosses into
// Python. ENGINE and ROUTER, given to the compiler, say which units it has, TRACE_VCD or TRACE_FST that it can record a
// waveform.
//
// Each stream may be throttled: a source offers its next item, and a sink accepts, in a pseudo-random
// `chance / 2^32` of the cycles.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "Vaccelerator.h"
#include "verilated.h"
#if defined(TRACE_FST)
#include "verilated_fst_c.h"
using Waveform = VerilatedFstC;
#elif defined(TRACE_VCD)
#include "verilated_vcd_c.h"
using Waveform = VerilatedVcdC;
#endif

// What Vaccelerator::eval calls, between two locks for messages of threads that a unit has not; and two parts of that:
// which edges there are, and what follows from them.
void Vaccelerator___024root___eval(Vaccelerator___024root *root);
bool Vaccelerator___024root___eval_phase__act(Vaccelerator___024root *root);
bool Vaccelerator___024root___eval_phase__nba(Vaccelerator___024root *root);

// A verilated accelerator, whose registers hold what a reset would give them.
struct Simulation {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Vaccelerator> unit{new Vaccelerator{context.get()}};
    uint64_t random = 0x9E3779B97F4A7C15;
#if defined(TRACE_FST) || defined(TRACE_VCD)
    uint64_t half_cycles = 0;
    Waveform waveform;
#endif

    explicit Simulation(uint64_t seed) {
        random ^= seed;
#if defined(TRACE_FST) || defined(TRACE_VCD)
        context->traceEverOn(true);
#endif
        unit->eval();
    }

    // Lets the logic follow the inputs in the clock's low half, and records it if a waveform is open.
    void settle() {
#if defined(TRACE_FST) || defined(TRACE_VCD)
        unit->eval();
        if (waveform.isOpen()) waveform.dump(half_cycles++);
#else
        Vaccelerator___024root___eval(unit->rootp);
#endif
    }

    // The clock's rising edge, and what follows from it. No input has changed since the logic settled, and no other
    // clock rises behind this one: one round is enough, and the inputs are left out.
    void rise() {
        unit->clk = 1;
#if defined(TRACE_FST) || defined(TRACE_VCD)
        settle();
#else
        Vaccelerator___024root___eval_phase__act(unit->rootp);
        Vaccelerator___024root___eval_phase__nba(unit->rootp);
#endif
    }

    // True in a pseudo-random `chance / 2^32` of the calls.
    bool draw(uint64_t chance) {
        if (chance >> 32) return true;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return (random >> 32) < chance;
    }
};

extern "C" {

// Fields of both structs in the order of library.py.
struct Items {
    const uint8_t *first;
    uint64_t count;
    uint64_t chance;
};

struct Run {
    Items commands;
    Items data;
    Items scales;
    Items router_commands;
    Items router_data;
    uint8_t *results;
    uint64_t result_count;
    uint64_t result_chance;
    uint16_t *words;
    uint64_t word_limit;
    uint64_t word_count;
    uint64_t answer_chance;
    uint64_t cycle_limit;
    uint64_t cycles;
    uint64_t broken_offers;
};

}  // extern "C"

// One input: what is left to send, and whether the next item is on offer. An offer stays until it is taken.
template <class Payload>
struct Source {
    CData &valid;
    const CData &ready;
    Payload &payload;
    const uint8_t *next;
    uint64_t left;
    uint64_t chance;
    bool offered = false;
    bool taken = false;

    Source(CData &valid, const CData &ready, Payload &payload, const Items &items)
        : valid{valid}, ready{ready}, payload{payload}, next{items.first}, left{items.count}, chance{items.chance} {}

    void offer(Simulation &simulation) {
        if (!offered && left && simulation.draw(chance)) {
            std::memcpy(&payload, next, sizeof(Payload));
            offered = true;
        }
        valid = offered;
    }

    // After the clock's low half: whether the port takes the item at the coming edge.
    void look() { taken = offered && ready; }

    void advance() {
        if (!taken) return;
        next += sizeof(Payload);
        left--;
        offered = false;
    }
};

#define SOURCE(name, port, items) \
    Source name { unit.port##___05Fvalid, unit.port##___05Fready, unit.port##___05Fpayload, items }

extern "C" {

void *simulation_open(uint64_t seed) { return new Simulation{seed}; }

void simulation_close(void *handle) { delete static_cast<Simulation *>(handle); }  // and ends its waveform

#if defined(TRACE_FST) || defined(TRACE_VCD)
// Records every signal from now on, a unit of time a half cycle; returns 0, or 1 if the file cannot be written.
int simulation_trace(void *handle, const char *path) {
    auto &simulation = *static_cast<Simulation *>(handle);
    simulation.unit->trace(&simulation.waveform, 99);
    simulation.waveform.open(path);
    return !simulation.waveform.isOpen();
}
#endif

#ifdef ENGINE
uint64_t command_bytes() { return sizeof(Vaccelerator::i_command___05Fpayload); }
#endif
#ifdef ROUTER
uint64_t router_beat_bytes() { return sizeof(Vaccelerator::i_router_data___05Fpayload); }
#endif

// Runs what the streams hold until every result has come and every router command is answered. Returns 0, or 1 when the
// cycle limit or the space for words ran out first, or a result came that nobody expects. Words that changed or vanished
// before they were taken are counted as broken offers.
int simulation_run(void *handle, Run *run) {
    auto &simulation = *static_cast<Simulation *>(handle);
    Vaccelerator &unit = *simulation.unit;
    uint64_t results = 0, answers = 0;
    run->word_count = run->cycles = run->broken_offers = 0;
#ifdef ENGINE
    SOURCE(commands, i_command, run->commands);
    SOURCE(data, i_data, run->data);
#endif
#ifdef ROUTER
    SOURCE(router_commands, i_router_command, run->router_commands);
    SOURCE(router_data, i_router_data, run->router_data);
    bool pending = false;
    uint32_t pending_word = 0;
#endif
#if defined(ENGINE) && defined(ROUTER)
    SOURCE(scales, i_scales, run->scales);
#endif
    while (results < run->result_count || answers < run->router_commands.count) {
        if (run->cycles == run->cycle_limit) return 1;
#ifdef ENGINE
        commands.offer(simulation);
        data.offer(simulation);
        unit.o_results___05Fready = simulation.draw(run->result_chance);
#endif
#ifdef ROUTER
        if (run->word_count == run->word_limit) return 1;
        router_commands.offer(simulation);
        router_data.offer(simulation);
        unit.o_router_answer___05Fready = simulation.draw(run->answer_chance);
#endif
#if defined(ENGINE) && defined(ROUTER)
        scales.offer(simulation);
#endif
        unit.clk = 0;
        simulation.settle();
#ifdef ENGINE
        commands.look();
        data.look();
        if (unit.o_results___05Fvalid && unit.o_results___05Fready) {
            constexpr size_t result_bytes = sizeof(unit.o_results___05Fpayload);
            if (results == run->result_count) return 1;
            std::memcpy(run->results + results * result_bytes, &unit.o_results___05Fpayload, result_bytes);
            results++;
        }
#endif
#ifdef ROUTER
        router_commands.look();
        router_data.look();
        const uint32_t word = unit.o_router_answer___05Fpayload;
        const bool valid = unit.o_router_answer___05Fvalid, ready = unit.o_router_answer___05Fready;
        if (pending && (!valid || word != pending_word)) run->broken_offers++;
        pending = valid && !ready;
        pending_word = word;
        if (valid && ready) {
            run->words[run->word_count++] = word & 0xFFFF;
            answers += word >> 16;
        }
#endif
#if defined(ENGINE) && defined(ROUTER)
        scales.look();
#endif
        simulation.rise();
#ifdef ENGINE
        commands.advance();
        data.advance();
#endif
#ifdef ROUTER
        router_commands.advance();
        router_data.advance();
#endif
#if defined(ENGINE) && defined(ROUTER)
        scales.advance();
#endif
        run->cycles++;
    }
    return 0;
}

}  // extern "C"
