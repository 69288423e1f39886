// Puts the parts of decoding queries together: Σ 2^(m_s − m)·part_s / Σ 2^(m_s − m)·sum_s with m = max m_s, each thread over every
// eighth part and then those eight in order. A block owns one query head of one sequence. Defines: HEAD_DIM, QUERY_TYPE.
// variant: -DHEAD_DIM=128 -DQUERY_TYPE=1
// variant: -DHEAD_DIM=10 -DQUERY_TYPE=0
#include "attention.cuh"
#include "succession.cuh"

typedef ElementOf<QUERY_TYPE>::type Element;
constexpr int Lanes = 32; // Columns at a time.
constexpr int Runs = 8;
constexpr int Columns = (HEAD_DIM + Lanes - 1) / Lanes;

extern "C" __global__ void __launch_bounds__(Lanes *Runs) attention_combine(const __grid_constant__ AttentionForwardArguments a) {
    follow_previous();
    __shared__ float run_sums[Runs][Columns * Lanes], run_totals[Runs], room[32];
    const Segment segment = a.segments[a.first_segment + blockIdx.y];
    if (segment.query_count != 1) {
        return;
    }
    const int head = blockIdx.x, kv_head = head / a.group, lane = threadIdx.x & 31, run = threadIdx.x >> 5;
    const int splits = splits_of(segment.key_count, window_of(a.window));
    const long first_part = ((long)blockIdx.y * (a.heads / a.group) + kv_head) * a.splits;
    const long part_heads = (long)a.group;
    const float *outputs = a.part_outputs + (first_part * part_heads + head % a.group) * HEAD_DIM;
    const float *statistics = a.part_statistics + (first_part * part_heads + head % a.group) * 2;

    float highest = -INFINITY;
    for (int s = threadIdx.x; s < splits; s += Lanes * Runs) {
        highest = fmaxf(highest, statistics[s * part_heads * 2]);
    }
    highest = block_max(highest, room);
    float sums[Columns] = {}, total = 0.0f;
#pragma unroll 4
    for (int s = run; s < splits; s += Runs) {
        float weight = exp2f(statistics[s * part_heads * 2] - highest);
        total = fmaf(statistics[s * part_heads * 2 + 1], weight, total);
#pragma unroll
        for (int c = 0; c < Columns; c++) {
            int column = c * Lanes + lane;
            sums[c] = column < HEAD_DIM ? fmaf(outputs[s * part_heads * HEAD_DIM + column], weight, sums[c]) : 0.0f;
        }
    }
#pragma unroll
    for (int c = 0; c < Columns; c++) {
        run_sums[run][c * Lanes + lane] = sums[c];
    }
    if (lane == 0) {
        run_totals[run] = total;
    }
    __syncthreads();
    total = 0.0f;
#pragma unroll
    for (int r = 0; r < Runs; r++) {
        total += run_totals[r];
    }
    Element *output = (Element *)a.output + segment.query_start * a.output_stride + (long)head * HEAD_DIM;
    for (int column = threadIdx.x; column < HEAD_DIM; column += Lanes * Runs) {
        float sum = 0.0f;
#pragma unroll
        for (int r = 0; r < Runs; r++) {
            sum += run_sums[r][column];
        }
        narrow(sum * (1.0f / total), output[column]);
    }
}
