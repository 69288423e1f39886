// Attention of sequences with several queries, bf16, on the tensor cores of sm_90a, with roles: one warp asks for tiles through tensor
// maps, and two or three warpgroups of 64 rows multiply them. The warpgroups take turns with their products, so that what one computes
// between them runs beside the other's, and each asks for the scores of a tile before it sums the values of the one before.
// Blocks stay, and take the next tile of rows when they have finished one: the next rows and keys are on their way by then.
// Schedule: Shah et al. 2024 (FlashAttention-3), section 3. Defines: HEAD_DIM, VECTOR_BYTES (16), WARPGROUPS.
// variant: -DHEAD_DIM=64 -DVECTOR_BYTES=16 -DWARPGROUPS=3
// variant: -DHEAD_DIM=96 -DVECTOR_BYTES=16 -DWARPGROUPS=2
// variant: -DHEAD_DIM=128 -DVECTOR_BYTES=16 -DWARPGROUPS=2
#include "attention_roles.cuh"

constexpr int Rows = 64 * WARPGROUPS;
constexpr int Keys = 128;
constexpr int Stages = 2;
constexpr int Threads = 128 + 128 * WARPGROUPS;
constexpr int Depth = PANEL_WIDTH / 16;
constexpr int Width = PANEL_WIDTH / 8;
constexpr int QueryBytes = Panels * PANEL_BYTES(Rows);
constexpr int TileBytes = Panels * PANEL_BYTES(Keys);
static_assert(PANEL_WIDTH <= 128, "a product is at most 128 wide");

// AttentionPipelinedForwardArguments in C#.
struct AttentionPipelinedForwardArguments {
    TensorMap queries, keys, values;
    AttentionForwardArguments call;
    long tile_rows; // Rows of a tile: Rows or below, a multiple of the group.
};

// The tile that a block takes next, and how many blocks have left; the last that leaves puts both back.
__device__ int next_tile, blocks_left;

struct Barriers {
    Barrier queries_full, queries_empty, keys_full[Stages], keys_empty[Stages], values_full[Stages], values_empty[Stages];
    int2 place; // Segment, and tile · K + key-value head; a negative segment ends the work.
};

// By one warp. All its lanes wait, so that they stay together; the first asks for whole tiles.
__device__ __forceinline__ void ask(
    const AttentionPipelinedForwardArguments &given, unsigned char *queries, unsigned char *keys, unsigned char *values, Barriers &barriers) {
    const AttentionForwardArguments &a = given.call;
    const int lane = threadIdx.x & 31, kv_heads = a.heads / a.group, tile_rows = (int)given.tile_rows, tile_queries = tile_rows / a.group;
    const int window = window_of(a.window);
    if (lane == 0) {
        fetch_map(given.queries);
        fetch_map(given.keys);
        fetch_map(given.values);
    }
    Ring<Stages> key_ring, value_ring;
    int index = blockIdx.x;
    for (int round = 0;; round++) {
        int2 found;
        const bool more = find_tile_by_warp(a.segments, a.segment_count, a.least_queries, a.group, tile_rows, true, index / kv_heads, found);
        const int kv_head = index % kv_heads;
        if (lane == 0 && more) {
            index = gridDim.x + atomicAdd(&next_tile, 1); // Comes while the tile is asked for.
        }
        barriers.queries_empty.wait((round & 1) ^ 1);
        if (lane == 0) {
            barriers.place = more ? make_int2(found.x, found.y * kv_heads + kv_head) : make_int2(-1, 0);
        }
        __syncwarp();
        if (!more) {
            if (lane == 0) {
                barriers.queries_full.arrive();
                if (atomicAdd(&blocks_left, 1) == (int)gridDim.x - 1) {
                    next_tile = 0;
                    blocks_left = 0;
                }
            }
            break;
        }
        const Segment segment = a.segments[found.x];
        const int first_query = found.y * tile_queries, last_query = min(first_query + tile_queries, segment.query_count) - 1;
        const int prefix = segment.key_count - segment.query_count, end = prefix + last_query + 1;
        const int begin = first_visible(prefix + first_query, window) / Keys * Keys;
        const int tiles = (end - begin + Keys - 1) / Keys;
        if (lane == 0) {
            barriers.queries_full.arrive_and_expect(Panels * tile_rows * 128);
#pragma unroll
            for (int panel = 0; panel < Panels; panel++) {
                copy_box(
                    queries + panel * PANEL_BYTES(Rows), given.queries, panel * 64, kv_head * a.group, segment.query_start + first_query,
                    barriers.queries_full);
            }
        }
        const auto load = [&](unsigned char *ring, const TensorMap &map, const void *base, int tile, Barrier &full) {
            const int position = begin + tile * Keys;
            if (position + Keys <= segment.key_count) {
                if (lane == 0) {
                    full.arrive_and_expect(TileBytes);
#pragma unroll
                    for (int half = 0; half < Keys; half += PAGE_POSITIONS) {
                        const int row = (int)row_of(segment, position + half);
#pragma unroll
                        for (int panel = 0; panel < Panels; panel++) {
                            copy_box(ring + panel * PANEL_BYTES(Keys) + half * 128, map, panel * 64, kv_head, row, full);
                        }
                    }
                }
            } else {
                put_rows<Keys>(ring, segment.key_count - position, full, [&](int row) {
                    return (const bf16 *)base + row_of(segment, position + row) * a.key_value_stride + kv_head * HEAD_DIM;
                });
            }
        };
        for (int tile = 0; tile <= tiles; tile++) {
            if (tile < tiles) {
                barriers.keys_empty[key_ring.stage].wait(key_ring.parity ^ 1);
                load(keys + key_ring.stage * TileBytes, given.keys, a.keys, tile, barriers.keys_full[key_ring.stage]);
                key_ring.advance();
            }
            if (tile > 0) {
                barriers.values_empty[value_ring.stage].wait(value_ring.parity ^ 1);
                load(values + value_ring.stage * TileBytes, given.values, a.values, tile - 1, barriers.values_full[value_ring.stage]);
                value_ring.advance();
            }
        }
        index = __shfl_sync(0xffffffffu, index, 0);
    }
}

__device__ __forceinline__ void multiply(
    const AttentionPipelinedForwardArguments &given, unsigned char *queries, unsigned char *keys, unsigned char *values, bf16 *results,
    Barriers &barriers) {
    const AttentionForwardArguments &a = given.call;
    const int lane = threadIdx.x & 31, group = (threadIdx.x >> 7) - 1, warp = (threadIdx.x >> 5) - 4;
    const int kv_heads = a.heads / a.group, tile_rows = (int)given.tile_rows, window = window_of(a.window);
    const float to_powers = a.scale * LOG2_E;
    const int own_turn = 1 + group, next_turn = 1 + (group + 1) % WARPGROUPS;
    const bool leads = lane == 0;
    float scores[Keys / 8][4], sums[Width][4];
    FragmentA p[Keys / 16];
    Ring<Stages> key_ring, value_ring;
    if (group == WARPGROUPS - 1) {
        pass(1, 256); // The first warpgroup begins.
    }
    for (int round = 0;; round++) {
        barriers.queries_full.wait(round & 1);
        const int2 place = barriers.place;
        if (place.x < 0) {
            break;
        }
        const Segment segment = a.segments[place.x];
        const int kv_head = place.y % kv_heads, first_row = place.y / kv_heads * tile_rows, rows = segment.query_count * a.group;
        const int last_row = min(first_row + tile_rows, rows) - 1, prefix = segment.key_count - segment.query_count;
        const int end = prefix + query_of(last_row, a.group_reciprocal) + 1;
        const int begin = first_visible(prefix + query_of(first_row, a.group_reciprocal), window) / Keys * Keys;
        const int tiles = (end - begin + Keys - 1) / Keys;
        const int warp_row = first_row + warp * 16;
        const int warp_first = prefix + query_of(warp_row, a.group_reciprocal);
        const int warp_last = prefix + query_of(min(warp_row + 15, last_row), a.group_reciprocal);
        float maximum[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f}, rescale[2];

        const auto score = [&]() {
            const unsigned char *tile = keys + key_ring.stage * TileBytes;
#pragma unroll
            for (int k = 0; k < Depth; k++) {
                multiply_shared(scores, by_columns<Rows>(queries, group * 64, k), by_columns<Keys>(tile, 0, k), k > 0);
            }
            end_products();
        };
        const auto add_values = [&]() {
            const unsigned char *tile = values + value_ring.stage * TileBytes;
#pragma unroll
            for (int k = 0; k < Keys / 16; k++) {
                multiply_registers(sums, p[k], by_rows<Keys>(tile, 0, k), true);
            }
            end_products();
        };
        const auto used_keys = [&](int tile) {
            if (leads) {
                barriers.keys_empty[key_ring.stage].arrive();
                if (tile == tiles - 1) {
                    barriers.queries_empty.arrive();
                }
            }
            key_ring.advance();
        };
        const auto used_values = [&]() {
            if (leads) {
                barriers.values_empty[value_ring.stage].arrive();
            }
            value_ring.advance();
        };
        // Scores become probabilities against the new maximum; what was summed so far is to be multiplied by `rescale`.
        const auto soften = [&](int tile) {
            const int first = begin + tile * Keys;
            if (first + Keys - 1 > warp_first || first < first_visible(warp_last, window)) {
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const int position = prefix + query_of(warp_row + h * 8 + (lane >> 2), a.group_reciprocal);
                    const int upper = position - first - (lane & 3) * 2, lower = upper - window;
#pragma unroll
                    for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
                        for (int c = 0; c < 2; c++) {
                            scores[n][2 * h + c] = n * 8 + c <= upper && n * 8 + c > lower ? scores[n][2 * h + c] : -INFINITY;
                        }
                    }
                }
            }
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float highest = maximum[h];
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
                    highest = fmaxf(highest, fmaxf(scores[n][2 * h], scores[n][2 * h + 1]));
                }
                highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 1));
                highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 2));
                float shift = highest == -INFINITY ? 0.0f : highest * to_powers;
                rescale[h] = power_of_two(maximum[h] * to_powers - shift);
                maximum[h] = highest;
                float sum = 0.0f;
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
                    for (int c = 2 * h; c < 2 * h + 2; c++) {
                        scores[n][c] = power_of_two(fmaf(scores[n][c], to_powers, -shift));
                        sum += scores[n][c];
                    }
                }
                total[h] = fmaf(total[h], rescale[h], sum);
            }
        };
        const auto pass_on = [&]() {
#pragma unroll
            for (int k = 0; k < Keys / 16; k++) {
                p[k] = as_a(scores[2 * k], scores[2 * k + 1]);
            }
        };

        barriers.keys_full[key_ring.stage].wait(key_ring.parity);
        begin_products();
        score();
        wait_products<0>();
        hold(scores);
        used_keys(0);
        soften(0);
        pass_on();
#pragma unroll
        for (int n = 0; n < Width; n++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                sums[n][c] = 0.0f;
            }
        }
#pragma unroll 1
        for (int tile = 1; tile < tiles; tile++) {
            barriers.keys_full[key_ring.stage].wait(key_ring.parity);
            meet(own_turn, 256);
            hold(scores);
            hold(sums);
            begin_products();
            score();
            barriers.values_full[value_ring.stage].wait(value_ring.parity);
            add_values();
            pass(next_turn, 256);
            wait_products<1>();
            hold(scores);
            used_keys(tile);
            soften(tile);
            wait_products<0>();
            hold(sums);
            used_values();
            // Most tiles move no row's maximum, and a factor of 1 would change nothing.
            if (__any_sync(0xffffffffu, rescale[0] != 1.0f || rescale[1] != 1.0f)) {
#pragma unroll
                for (int n = 0; n < Width; n++) {
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        sums[n][c] *= rescale[c >> 1];
                    }
                }
            }
            pass_on();
        }
        barriers.values_full[value_ring.stage].wait(value_ring.parity);
        hold(sums);
        begin_products();
        add_values();
        wait_products<0>();
        hold(sums);
        used_values();

        float inverse[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float sum = total[h];
            sum += __shfl_xor_sync(0xffffffffu, sum, 1);
            sum += __shfl_xor_sync(0xffffffffu, sum, 2);
            inverse[h] = 1.0f / sum;
            int row = warp_row + h * 8 + (lane >> 2);
            if (a.log_sum_exp != 0 && (lane & 3) == 0 && row <= last_row) {
                int query = query_of(row, a.group_reciprocal), head = kv_head * a.group + row - query * a.group;
                a.log_sum_exp[(segment.query_start + query) * (long)a.heads + head] = maximum[h] * a.scale + logf(sum);
            }
        }
        const PackedHeads<bf16> heads = {
            (bf16 *)a.output + segment.query_start * a.output_stride + (long)kv_head * a.group * HEAD_DIM, a.output_stride,
            a.group_reciprocal, a.group};
        store_panels(results + warp * 16 * ResultStride, sums, inverse[0], inverse[1], [&](int row) {
            return warp_row + row <= last_row ? heads.row(warp_row + row) : (bf16 *)0;
        });
    }
}

extern "C" __global__ void __launch_bounds__(Threads, 1) attention_forward_pipelined(const __grid_constant__ AttentionPipelinedForwardArguments a) {
    extern __shared__ __align__(1024) unsigned char room[];
    unsigned char *queries = room, *keys = queries + QueryBytes, *values = keys + Stages * TileBytes;
    bf16 *results = reinterpret_cast<bf16 *>(values + Stages * TileBytes);
    Barriers &barriers = *reinterpret_cast<Barriers *>(results + Rows * ResultStride);
    if (threadIdx.x == 0) {
        barriers.queries_full.start(1);
        barriers.queries_empty.start(4 * WARPGROUPS);
        for (int i = 0; i < Stages; i++) {
            barriers.keys_full[i].start(1);
            barriers.keys_empty[i].start(4 * WARPGROUPS);
            barriers.values_full[i].start(1);
            barriers.values_empty[i].start(4 * WARPGROUPS);
        }
        show_barriers();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        shrink_to<WARPGROUPS == 3 ? 32 : 24>();
        if (threadIdx.x < 32) {
            ask(a, queries, keys, values, barriers);
        }
    } else {
        grow_to<WARPGROUPS == 3 ? 160 : 240>();
        multiply(a, queries, keys, values, results, barriers);
    }
}
