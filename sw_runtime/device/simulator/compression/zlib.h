// What Verilator's writer of .fst calls of zlib. The library is on nearly every system, its headers are on few.
#pragma once
typedef unsigned char Bytef;
typedef unsigned long uLong;
typedef uLong uLongf;
constexpr int Z_OK = 0;
extern "C" {
uLong compressBound(uLong size);
int compress2(Bytef *target, uLongf *room, const Bytef *source, uLong size, int level);
}
