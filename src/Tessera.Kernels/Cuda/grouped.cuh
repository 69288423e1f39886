// Matrices of int8 and int4 groups as GroupedMatrix in C# lays them out: a tile of 16 rows has one record a group of 32 columns, in it
// eight steps of four columns (int8) or four pairs of steps (int4) of one dword a row, then 16 binary16 scales.
#pragma once

#define GROUP 32
#define TILE_ROWS 16

// Bytes of a record whose weights have so many bits.
#define RECORD_BYTES(bits) (TILE_ROWS * ((bits) * GROUP / 8 + 2))

// The scale of a row in a record.
template <int Bits> __device__ __forceinline__ float scale_of(const unsigned char *record, int row) {
    unsigned short half = reinterpret_cast<const unsigned short *>(record + RECORD_BYTES(Bits) - 2 * TILE_ROWS)[row];
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

// The two dwords of a row's steps 2·pair and 2·pair + 1: eight columns, as stored.
template <int Bits> __device__ __forceinline__ uint2 two_steps(const unsigned char *record, int row, int pair) {
    const unsigned *integers = reinterpret_cast<const unsigned *>(record) + row;
    if (Bits == 8) {
        return make_uint2(integers[2 * pair * TILE_ROWS], integers[(2 * pair + 1) * TILE_ROWS]);
    }
    unsigned both = integers[pair * TILE_ROWS];
    return make_uint2(both & 0x0f0f0f0fu, (both >> 4) & 0x0f0f0f0fu);
}
