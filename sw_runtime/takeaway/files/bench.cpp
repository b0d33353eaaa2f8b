// Runs product.txt through the engine and compares every result with the integers it must give: first without pauses,
// then with pauses of memory and host. `./Vseedloom_engine [product.txt]` ends with 0 if all are equal.
//
//   verilator --cc --exe --build -Wno-fatal -Wno-lint -Wno-INITIALDLY seedloom_engine.v bench.cpp
//   obj_dir/Vseedloom_engine

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "Vseedloom_engine.h"
#include "verilated.h"

using Bytes = std::vector<uint8_t>;

struct Product {
    Bytes command;
    std::vector<Bytes> data;
    std::vector<std::vector<std::string>> results;  // decimal numbers, "-" where nobody reads one
};

// Bytes of a hexadecimal number, the lowest first.
static Bytes bytes_of(std::string digits) {
    if (digits.size() % 2) digits = "0" + digits;
    Bytes bytes;
    for (size_t end = digits.size(); end; end -= 2)
        bytes.push_back(static_cast<uint8_t>(std::stoul(digits.substr(end - 2, 2), nullptr, 16)));
    return bytes;
}

static Product read_product(const char *path) {
    Product product;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string kind, word;
        words >> kind;
        if (kind == "results") {
            product.results.emplace_back();
            while (words >> word) product.results.back().push_back(word);
        } else if (kind == "command" && words >> word) {
            product.command = bytes_of(word);
        } else if (kind == "data" && words >> word) {
            product.data.push_back(bytes_of(word));
        }
    }
    return product;
}

template <class Payload>
static void set(Payload &payload, const Bytes &bytes) {
    std::memset(&payload, 0, sizeof payload);
    std::memcpy(&payload, bytes.data(), bytes.size());
}

// The smallest engines have no payload of a command.
template <class Engine>
static auto set_command(Engine &engine, const Bytes &bytes, int) -> decltype(engine.i_command___05Fpayload, void()) {
    set(engine.i_command___05Fpayload, bytes);
}
template <class Engine>
static void set_command(Engine &, const Bytes &, long) {}

// Runs the product; returns how many beats of results differ, or are missing.
static size_t run(VerilatedContext &context, const Product &product, bool pauses) {
    Vseedloom_engine engine{&context};
    bool command_left = true, offered = false;
    size_t sent = 0, received = 0, wrong = 0;
    engine.rst = 1;
    for (uint64_t cycle = 0; cycle < 1000 + 8 * product.data.size() && received < product.results.size(); cycle++) {
        engine.clk = 0;
        engine.i_command___05Fvalid = command_left && !engine.rst;
        set_command(engine, product.command, 0);
        offered |= sent < product.data.size() && !(pauses && cycle % 3 == 1) && !engine.rst;
        engine.i_data___05Fvalid = offered;
        if (sent < product.data.size()) set(engine.i_data___05Fpayload, product.data[sent]);
        engine.o_results___05Fready = !(pauses && cycle % 4);
        engine.eval();
        const bool command_taken = engine.i_command___05Fvalid && engine.i_command___05Fready;
        const bool data_taken = engine.i_data___05Fvalid && engine.i_data___05Fready;
        if (engine.o_results___05Fvalid && engine.o_results___05Fready) {
            const auto &wanted = product.results[received++];
            bool equal = true;
            for (size_t index = 0; index < wanted.size(); index++) {
                int64_t found;
                std::memcpy(&found, reinterpret_cast<uint8_t *>(&engine.o_results___05Fpayload) + 8 * index, 8);
                equal &= wanted[index] == "-" || wanted[index] == std::to_string(found);
            }
            wrong += !equal;
        }
        engine.clk = 1;
        engine.eval();
        engine.rst = 0;
        command_left &= !command_taken;
        sent += data_taken;
        offered &= !data_taken;
    }
    return wrong + product.results.size() - received;
}

int main(int argc, char **argv) {
    VerilatedContext context;
    const Product product = read_product(argc > 1 ? argv[1] : "product.txt");
    if (product.results.empty()) {
        std::puts("no product: name product.txt");
        return 1;
    }
    for (bool pauses : {false, true}) {
        if (const size_t wrong = run(context, product, pauses)) {
            std::printf("%zu of %zu beats of results differ or are missing\n", wrong, product.results.size());
            return 1;
        }
    }
    std::printf("%zu beats of results equal the integer product\n", product.results.size());
    return 0;
}
