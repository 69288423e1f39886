// E4M3: a sign, four bits of exponent, three of mantissa; 448 is the largest number, there are no infinities (sm_89 and newer).
// Source: PTX ISA, "cvt"; "FP8 Formats for Deep Learning", arXiv:2209.05433.
#pragma once

// The value of DType in C#.
#define FP8 6

// Two f32 as E4M3, ties to even, beyond 448 to 448, NaN to NaN; `low` lies first in memory.
__device__ __forceinline__ unsigned round_pair(float low, float high) {
    unsigned short pair;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
    return pair;
}

// Four E4M3 as two registers of two bf16, exact.
__device__ __forceinline__ void widen_four(unsigned four, unsigned &first, unsigned &second) {
    float values[4];
    asm("{\n\t.reg .b16 l, h;\n\t.reg .b32 x, y;\n\t.reg .b16 a, b, c, d;\n\t"
        "mov.b32 {l, h}, %4;\n\t"
        "cvt.rn.f16x2.e4m3x2 x, l;\n\tcvt.rn.f16x2.e4m3x2 y, h;\n\t"
        "mov.b32 {a, b}, x;\n\tmov.b32 {c, d}, y;\n\t"
        "cvt.f32.f16 %0, a;\n\tcvt.f32.f16 %1, b;\n\tcvt.f32.f16 %2, c;\n\tcvt.f32.f16 %3, d;\n\t}"
        : "=f"(values[0]), "=f"(values[1]), "=f"(values[2]), "=f"(values[3])
        : "r"(four));
    first = narrow_pair(values[0], values[1]);
    second = narrow_pair(values[2], values[3]);
}
