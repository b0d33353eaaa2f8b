// What Verilator's writer of .fst calls of lz4. The library is on nearly every system, its headers are on few.
#pragma once
extern "C" {
int LZ4_compressBound(int size);
int LZ4_compress_default(const char *source, char *target, int size, int room);
}
