// New keys and values into the cache. Specialisations: SOURCE, STORE (element types), PACK.
// variant: -DSOURCE=0 -DSTORE=0 -DPACK=1
// variant: -DSOURCE=1 -DSTORE=1 -DPACK=8
// variant: -DSOURCE=0 -DSTORE=1 -DPACK=8
#include "rows.cuh"
#include "segment.cuh"
#include "succession.cuh"

struct Arguments {
    const ElementOf<SOURCE>::type *keys;
    const ElementOf<SOURCE>::type *values;
    const Segment *segments;
    ElementOf<STORE>::type *key_store;
    ElementOf<STORE>::type *value_store;
    long source_stride;
    long store_stride;
    int segment_count;
    int width;
};

// A block of (x, y) threads stores y of a sequence's new positions: blockIdx.x counts them, blockIdx.y sequences, blockIdx.z is 0 for keys
// and 1 for values.
extern "C" __global__ void __launch_bounds__(256) cache_append(const __grid_constant__ Arguments a) {
    follow_previous();
    for (int s = blockIdx.y; s < a.segment_count; s += gridDim.y) {
        const Segment segment = a.segments[s];
        int i = blockIdx.x * blockDim.y + threadIdx.y;
        if (i >= segment.query_count) {
            continue;
        }
        long source = (segment.query_start + (long)i) * a.source_stride;
        long target = row_of(segment, segment.key_count - segment.query_count + i) * a.store_stride;
        const ElementOf<SOURCE>::type *from = (blockIdx.z == 0 ? a.keys : a.values) + source;
        ElementOf<STORE>::type *to = (blockIdx.z == 0 ? a.key_store : a.value_store) + target;
        for (int column = threadIdx.x * PACK; column < a.width; column += blockDim.x * PACK) {
            float values[PACK];
            load_values(from + column, values);
            store_values(to + column, values);
        }
    }
}
