// Gradients of queries, keys and values, bf16, on the tensor cores of sm_90a, with roles. A block owns 128 keys of one key-value head,
// 64 a warpgroup, and walks over the rows that see them, from the last: Sᵀ = K·Qᵀ, dPᵀ = V·dOᵀ, dV += Pᵀ·dO, dK += dSᵀ·Q with Pᵀ and
// dSᵀ passed on in registers, and dQ = dS·K with dS passed on in shared memory. One warp asks for rows through tensor maps. Two more add
// tiles of dQ to what other blocks found, in f32 and in global memory, every block after the one with the keys before: a sum has one
// order, so the bits are always the same. Blocks with the first keys begin, and all walk in one direction, so that nobody waits long.
// Formulas: Dao et al. 2022, section B.2; schedule: Shah et al. 2024, section B.1. Defines: HEAD_DIM, VECTOR_BYTES (16).
// variant: -DHEAD_DIM=64 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=96 -DVECTOR_BYTES=16
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16
#include "attention_roles.cuh"
#include "attention_gradients.cuh"

constexpr int Keys = 128;
constexpr int Stages = 2; // Of rows, of scores and of sums.
constexpr int Writers = Stages; // Warps, each with room for one tile of sums.

constexpr int Threads = 384;
constexpr int Depth = PANEL_WIDTH / 16;
constexpr int Width = PANEL_WIDTH / 8;
constexpr int OwnBytes = Panels * PANEL_BYTES(Keys);
constexpr int TileBytes = Panels * PANEL_BYTES(Rows);
constexpr int ScoreBytes = Rows / 64 * PANEL_BYTES(Keys);
constexpr int SumBytes = Rows * PANEL_WIDTH * 4;

struct Barriers {
    Barrier own_full, rows_full[Stages], rows_empty[Stages], grads_full[Stages], grads_empty[Stages], sums_full[Writers], sums_empty[Writers];
};

// Which keys, and which tiles of rows see them.
struct Work {
    Segment segment;
    int kv_head, first_key, first_tile, last_tile, tile_rows, rows, window;

    __device__ __forceinline__ bool find(const AttentionPipelinedBackwardArguments &given) {
        const AttentionBackwardArguments &a = given.call;
        const int kv_heads = a.heads / a.group;
        int2 found;
        if (!find_tile_by_warp(a.segments, a.segment_count, 1, 1, Keys, false, blockIdx.x / kv_heads, found)) {
            return false;
        }
        segment = a.segments[found.x];
        kv_head = blockIdx.x % kv_heads, first_key = found.y * Keys;
        tile_rows = (int)given.tile_rows, rows = segment.query_count * a.group, window = window_of(a.window);
        const int queries = tile_rows / a.group;
        first_tile = first_key / queries;
        last_tile = (min(segment.query_count, first_key + Keys - 1 + window) - 1) / queries;
        return true;
    }
    // Whole tiles only: rows of a tile that belong to the segment.
    __device__ __forceinline__ int rows_of(int tile) const { return min(tile_rows, rows - tile * tile_rows); }
};

__device__ __forceinline__ void ask(
    const AttentionPipelinedBackwardArguments &given, const Work &work, unsigned char *own, unsigned char *row_stages, unsigned char *grad_stages,
    float *statistics, Barriers &barriers) {
    const AttentionBackwardArguments &a = given.call;
    const Segment &segment = work.segment;
    const int lane = threadIdx.x & 31;
    const auto load_own = [&](unsigned char *tile, const TensorMap &map, const void *base) {
        if (work.first_key + Keys <= segment.key_count) {
            if (lane == 0) {
                barriers.own_full.arrive_and_expect(OwnBytes);
#pragma unroll
                for (int half = 0; half < Keys; half += 64) {
#pragma unroll
                    for (int panel = 0; panel < Panels; panel++) {
                        copy_box(
                            tile + panel * PANEL_BYTES(Keys) + half * 128, map, panel * 64, work.kv_head,
                            (int)segment.key_start + work.first_key + half, barriers.own_full);
                    }
                }
            }
        } else {
            ask_for_rows<Keys>(tile, segment.key_count - work.first_key, barriers.own_full, [&](int row) {
                return (const bf16 *)base + (segment.key_start + work.first_key + row) * a.key_value_stride + work.kv_head * HEAD_DIM;
            });
        }
    };
    const auto load_rows = [&](unsigned char *tile, const TensorMap &map, const void *base, long stride, int at, Barrier &full) {
        const int first_row = at * work.tile_rows, count = work.rows_of(at);
        if (count == work.tile_rows) {
            if (lane == 0) {
                full.arrive_and_expect(Panels * work.tile_rows * 128);
#pragma unroll
                for (int panel = 0; panel < Panels; panel++) {
                    copy_box(
                        tile + panel * PANEL_BYTES(Rows), map, panel * 64, work.kv_head * a.group,
                        segment.query_start + first_row / a.group, full);
                }
            }
        } else {
            const PackedHeads<const bf16> heads = {
                (const bf16 *)base + segment.query_start * stride + (long)work.kv_head * a.group * HEAD_DIM, stride, a.group_reciprocal,
                a.group};
            ask_for_rows<Rows>(tile, count, full, [&](int row) { return heads.row(first_row + row); });
        }
    };
    load_own(own, given.keys, a.keys);
    Ring<Stages> ring;
    for (int tile = work.last_tile; tile >= work.first_tile; tile--) {
        const int stage = ring.stage, first_row = tile * work.tile_rows, count = work.rows_of(tile);
        barriers.rows_empty[stage].wait(ring.parity ^ 1);
        for (int row = lane; row < Rows; row += 32) {
            const bool present = row < count;
            const int query = query_of(first_row + (present ? row : 0), a.group_reciprocal), head = first_row + (present ? row : 0) - query * a.group;
            const long at = (segment.query_start + query) * (long)a.heads + work.kv_head * a.group + head;
            copy_async<4>(statistics + stage * 2 * Rows + row, a.log_sum_exp + at, present);
            copy_async<4>(statistics + (stage * 2 + 1) * Rows + row, a.delta + at, present);
        }
        barriers.rows_full[stage].arrive_with_copies();
        __syncwarp();
        load_rows(row_stages + stage * TileBytes, given.queries, a.queries, a.query_stride, tile, barriers.rows_full[stage]);
        if (tile == work.last_tile) {
            load_own(own + OwnBytes, given.values, a.values);
        }
        barriers.grads_empty[stage].wait(ring.parity ^ 1);
        load_rows(grad_stages + stage * TileBytes, given.grads, a.grad_output, a.output_stride, tile, barriers.grads_full[stage]);
        ring.advance();
    }
}

// By one thread of a writing warp: adds what the block found of dQ, every other tile.
__device__ __forceinline__ void add_up(
    const AttentionPipelinedBackwardArguments &given, const Work &work, int writer, const unsigned char *sum_stages, Barriers &barriers) {
    const AttentionBackwardArguments &a = given.call;
    const int tile_queries = work.tile_rows / a.group;
    const long plane = (long)work.kv_head * a.tokens + work.segment.query_start;
    const unsigned char *sums = sum_stages + writer * SumBytes;
    int parity = 0;
    for (int tile = work.last_tile - writer; tile >= work.first_tile; tile -= Writers) {
        const int query = tile * tile_queries, bytes = work.rows_of(tile) * PANEL_WIDTH * 4;
        float *destination = given.sums + (plane + query) * a.group * PANEL_WIDTH;
        barriers.sums_full[writer].wait(parity);
        int *turn = given.turns + plane + query;
        const int before = work.first_key / Keys - first_visible(query, work.window) / Keys;
        if (before == 0) {
            store_bulk(destination, sums, bytes);
        } else {
            while (level_of(turn) != before) {
            }
            order_with_copies();
            add_bulk(destination, sums, bytes);
        }
        end_bulk();
        wait_bulk_reads();
        barriers.sums_empty[writer].arrive();
        wait_bulk();
        order_with_copies();
        raise(turn);
        parity ^= 1;
    }
    wait_bulk();
}

__device__ __forceinline__ void multiply(
    const AttentionPipelinedBackwardArguments &given, const Work &work, unsigned char *own, unsigned char *row_stages, unsigned char *grad_stages,
    unsigned char *score_stages, unsigned char *sum_stages, const float *statistics, Barriers &barriers) {
    const AttentionBackwardArguments &a = given.call;
    const int lane = threadIdx.x & 31, group = (threadIdx.x >> 7) - 1, warp = (threadIdx.x >> 5) - 4;
    const int warp_key = work.first_key + warp * 16;
    const float to_powers = a.scale * LOG2_E;
    const unsigned reciprocal = 65536 / a.group + 1; // Exact for rows of a tile.
    const bool leads = lane == 0;
    float grad_keys[Width][4] = {}, grad_values[Width][4] = {}, p[Rows / 8][4], ds[Rows / 8][4], dq[8][4];
    FragmentA p_a[Rows / 16], ds_a[Rows / 16];
    Ring<Stages> ring;
    const auto score = [&](int stage) {
        const unsigned char *row_tile = row_stages + stage * TileBytes;
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(p, by_columns<Keys>(own, group * 64, k), by_columns<Rows>(row_tile, 0, k), k > 0);
        }
        end_products();
    };

    const auto put_sums = [&]() {
        unsigned char *sums = sum_stages + ring.stage * SumBytes;
        barriers.sums_empty[ring.stage].wait(ring.parity ^ 1);
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int r = (Rows == 64 ? 0 : group * 64) + (warp & 3) * 16 + h * 8 + (lane >> 2);
            float *line = reinterpret_cast<float *>(sums) + r * PANEL_WIDTH + (lane & 3) * 2;
#pragma unroll
            for (int n = 0; n < 8; n++) {
                *reinterpret_cast<float2 *>(line + sum_block(r, (Rows == 64 ? group * 8 : 0) + n) * 8) =
                    make_float2(dq[n][2 * h], dq[n][2 * h + 1]);
            }
        }
        show_to_tensor_cores();
        __syncwarp();
        if (leads) {
            barriers.sums_full[ring.stage].arrive();
        }
    };

    // Rows behind a tile's last are never copied; their scores are hidden, but must be numbers.
    for (int at = threadIdx.x - 128; at < (Rows - work.tile_rows) * Chunks * 2 * Stages; at += 256) {
        const int stage = at / ((Rows - work.tile_rows) * Chunks), row = at / Chunks % (Rows - work.tile_rows) + work.tile_rows;
        *reinterpret_cast<uint4 *>(row_stages + stage * TileBytes + panel_offset<Rows>(row, at % Chunks)) = make_uint4(0, 0, 0, 0);
    }
    show_to_tensor_cores();
    meet(1, 256);
    barriers.own_full.wait(0);
    show_to_tensor_cores();
#pragma unroll 1
    for (int tile = work.last_tile; tile >= work.first_tile; tile--) {
        const int stage = ring.stage, row = tile * work.tile_rows, count = work.rows_of(tile);
        const unsigned char *row_tile = row_stages + stage * TileBytes, *grad_tile = grad_stages + stage * TileBytes;
        unsigned char *score_tile = score_stages + stage * ScoreBytes;
        const bool whole = count == work.tile_rows;
        barriers.rows_full[stage].wait(ring.parity);
        if (!whole) {
            show_to_tensor_cores();
        }
        begin_products();
        score(stage);
        barriers.grads_full[stage].wait(ring.parity);
        if (!whole) {
            show_to_tensor_cores();
        }
#pragma unroll
        for (int k = 0; k < Depth; k++) {
            multiply_shared(ds, by_columns<Keys>(own + OwnBytes, group * 64, k), by_columns<Rows>(grad_tile, 0, k), k > 0);
        }
        end_products();
        const int first = query_of(row, a.group_reciprocal), last = query_of(row + count - 1, a.group_reciprocal);
        const bool edge = warp_key + 15 > first || warp_key < first_visible(last, work.window) || count < Rows;
        const float *log_sums = statistics + stage * 2 * Rows + (lane & 3) * 2, *deltas = log_sums + Rows;
        wait_products<1>();
        hold(p);
#pragma unroll
        for (int n = 0; n < Rows / 8; n++) {
            const float2 log_sum = *reinterpret_cast<const float2 *>(log_sums + n * 8);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                p[n][c] = power_of_two(fmaf(p[n][c], to_powers, -LOG2_E * (c & 1 ? log_sum.y : log_sum.x)));
            }
        }
        if (edge) {
            const int ahead = warp_key + (lane >> 2) - first;
#pragma unroll
            for (int n = 0; n < Rows / 8; n++) {
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    const int r = n * 8 + (lane & 3) * 2 + c;
                    const int from = r < count ? (int)((unsigned)r * reciprocal >> 16) - ahead : -1; // From the first key to the query.
                    p[n][c] = from >= 0 && from < work.window ? p[n][c] : 0.0f;
                    p[n][2 + c] = from >= 8 && from - 8 < work.window ? p[n][2 + c] : 0.0f;
                }
            }
        }
#pragma unroll
        for (int k = 0; k < Rows / 16; k++) {
            p_a[k] = as_a(p[2 * k], p[2 * k + 1]);
        }
        wait_products<0>();
        hold(ds);
#pragma unroll
        for (int n = 0; n < Rows / 8; n++) {
            const float2 delta = *reinterpret_cast<const float2 *>(deltas + n * 8);
#pragma unroll
            for (int c = 0; c < 4; c++) {
                ds[n][c] = p[n][c] * (ds[n][c] - (c & 1 ? delta.y : delta.x));
            }
        }
#pragma unroll
        for (int k = 0; k < Rows / 16; k++) {
            ds_a[k] = as_a(ds[2 * k], ds[2 * k + 1]);
            store_matrices(
                ds_a[k].r, score_tile + panel_offset<Keys>(warp * 16 + (lane & 8) + (lane & 7), 2 * k + (lane >> 4)));
        }
        show_to_tensor_cores();
        hold(grad_values);
        begin_products();
#pragma unroll
        for (int k = 0; k < Rows / 16; k++) {
            multiply_registers(grad_values, p_a[k], by_rows<Rows>(grad_tile, 0, k), true);
        }
        end_products();
        meet(1, 256); // All of dS is there; the tile before has been read by all.
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
            multiply_shared_rows(
                dq, by_rows<Keys>(score_tile, Rows == 64 ? 0 : group, k), by_rows<Keys>(own, Rows == 64 ? group : 0, k), k > 0);
        }
        end_products();
        hold(grad_keys);
#pragma unroll
        for (int k = 0; k < Rows / 16; k++) {
            multiply_registers(grad_keys, ds_a[k], by_rows<Rows>(row_tile, 0, k), true);
        }
        end_products();
        wait_products<1>();
        hold(grad_values);
        hold(dq);
        if (leads) {
            barriers.grads_empty[stage].arrive();
        }
        put_sums();
        wait_products<0>();
        hold(grad_keys);
        if (leads) {
            barriers.rows_empty[stage].arrive();
        }
        ring.advance();
    }
    meet(1, 256); // Nobody reads keys or values any more.

    bf16 *result = reinterpret_cast<bf16 *>(own) + warp * 16 * ResultStride;
    const long target = work.segment.query_start * a.grad_stride + work.kv_head * HEAD_DIM;
    bf16 *keys_target = (bf16 *)a.grad_keys + target, *values_target = (bf16 *)a.grad_values + target;
    const auto row_of_key = [&](bf16 *base, int r) {
        return warp_key + r < work.segment.key_count ? base + (warp_key + r) * a.grad_stride : (bf16 *)0;
    };
    store_panels(result, grad_keys, a.scale, a.scale, [&](int r) { return row_of_key(keys_target, r); });
    store_panels(result, grad_values, 1.0f, 1.0f, [&](int r) { return row_of_key(values_target, r); });
}

extern "C" __global__ void __launch_bounds__(Threads, 1) attention_backward_pipelined(const __grid_constant__ AttentionPipelinedBackwardArguments a) {
    extern __shared__ __align__(1024) unsigned char room[];
    unsigned char *own = room, *row_stages = own + 2 * OwnBytes, *grad_stages = row_stages + Stages * TileBytes;
    unsigned char *score_stages = grad_stages + Stages * TileBytes, *sum_stages = score_stages + Stages * ScoreBytes;
    float *statistics = reinterpret_cast<float *>(sum_stages + Writers * SumBytes);
    Barriers &barriers = *reinterpret_cast<Barriers *>(statistics + Stages * 2 * Rows);
    Work work;
    if (!work.find(a)) {
        return;
    }
    if (threadIdx.x == 0) {
        barriers.own_full.start(2);
        for (int i = 0; i < Writers; i++) {
            barriers.sums_full[i].start(8);
            barriers.sums_empty[i].start(1);
        }
        for (int i = 0; i < Stages; i++) {
            barriers.rows_full[i].start(1);
            barriers.rows_empty[i].start(8);
            barriers.grads_full[i].start(1);
            barriers.grads_empty[i].start(8);
        }
        show_barriers();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        shrink_to<40>();
        if (threadIdx.x < 32) {
            ask(a, work, own, row_stages, grad_stages, statistics, barriers);
        } else if (threadIdx.x % 32 == 0 && threadIdx.x <= 32 * Writers) {
            add_up(a, work, threadIdx.x / 32 - 1, sum_stages, barriers);
        }
    } else {
        grow_to<232>();
        multiply(a, work, own, row_stages, grad_stages, score_stages, sum_stages, statistics, barriers);
    }
}
